import CurricleCompiler
import CurricleEngine
import CurricleGraph
import CurricleModels
import CurricleRuntime
import CurricleSettings
import CurricleStorage
import CurricleTensors

extension FinetuneSettings {
    /// The compiler's limit on the arena with which a run keeps to four fifths of what this process may take: what does not fit is computed
    /// a second time, to the same bits. Nil where all fits.
    /// - Parameter images: of a batch.
    /// - Throws: `LearningError.configuration` where nothing fits.
    func arenaLimit(images: Int, threads: Int, isa: ISA, data: DataMemory, machineBytes: Int = Machine.memoryBytes) throws -> Int? {
        let available = TrainingPlan.share(of: machineBytes)
        let plain = try memory(images: images, threads: threads, isa: isa, data, arenaLimit: nil)
        guard plain.arena + plain.rest > available else { return nil }
        let limit = max(0, available - plain.rest), tight = try memory(images: images, threads: threads, isa: isa, data, arenaLimit: limit)
        guard tight.arena + tight.rest <= available else {
            throw LearningError.configuration(
                "this training takes \(ByteCount.text(tight.arena + tight.rest)) at least, and four fifths of what there is are "
                    + "\(ByteCount.text(available)): lower \(.batchSize) and raise \("accum-iter" as SettingName), or choose a "
                    + "smaller model"
            )
        }
        return limit
    }

    /// Bytes of the arena, and of all else.
    private func memory(images: Int, threads: Int, isa: ISA, _ data: DataMemory, arenaLimit: Int?) throws -> (arena: Int, rest: Int) {
        var programs = ModelPrograms(
            model, parts: .classifier(shape), precision: precision, moments: moments.element, arenaLimit: arenaLimit)
        let update: Update = storesGradients ? .store(adding: accumulation > 1) : .immediate(adamw)
        let compiled = [
            try programs.compile(.classifier(images: images, dropsPaths: dropPath > 0, update)),
            try programs.compile(.classification(images: min(batchSize, 64)))
        ]
        let workspace = try compiled.map { try $0.workspaceBytes(threads: threads, isa: isa) }.max() ?? 0
        let batch = images * model.patches * model.patchWidth * ElementType.float32.bytes
        let largest = programs.parameters.parameters.map(\.type.bytes).max() ?? 0
        let rest =
            (storesGradients ? 2 : 1) * programs.layout.bytes + 2 * moments.bytes(parameters: programs.layout.bytes) + workspace
            + Pretraining.loaderBytes(batch: batch, threads: threads, imageBytes: data.imageBytes)
            + data.listBytes + 2 * largest + TrainingPlan.aloneBytes
        return (compiled.map(\.arenaBytes).max() ?? 0, rest)
    }
}
