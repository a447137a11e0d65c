import CurricleCompiler
import Dispatch
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleRuntime
import CurricleSettings
import CurricleTensors

/// A model ready to run: its parameters in memory and its programs, compiled when first asked for.
package final class ModelRuntime {
    package let configuration: ModelConfiguration
    package let session: Session
    private var programs: ModelPrograms
    private var executables: [ProgramKey: Executable] = [:]
    package var parameters: ModelParameters { programs.parameters }
    package var precision: Precision { programs.precision }
    package var layout: ParameterLayout { programs.layout }
    /// The groups that the model has parameters of.
    package var groups: [ParameterGroup] { ParameterGroup.allCases.filter { layout.groups[$0]?.isEmpty == false } }

    /// - Parameters:
    ///   - precision: int8 only for an encoder that is not trained.
    ///   - sharesMoments: whether other processes keep most of the moments.
    ///   - arenaLimit: see `ModelPrograms`.
    /// - Throws: `LearningError.configuration` for sizes that do not fit, `RuntimeError` where memory is lacking.
    package init(
        _ configuration: ModelConfiguration, parts: ModelParameters.Parts = .all, masker: any Masker = CurriculumMasker(),
        precision: Precision = .float32, moments: ElementType = .float32, encoderPosition: [Float]? = nil, trains: Bool,
        sharesMoments: Bool = false, storesGradients: Bool = false, threads: Int,
        isa: ISA, arenaLimit: Int? = nil, pipeline: Pipeline = Pipeline()
    ) throws {
        precondition(precision != .int8 || !trains, "int8 weights are not trained")
        if let problem = configuration.problem { throw LearningError.configuration(Message(problem)) }
        guard configuration.registers == nil || parts.isEncoder && !trains else {
            throw LearningError.configuration("an encoder with register tokens is computed here, but not trained, and has no decoder")
        }
        self.configuration = configuration
        programs = ModelPrograms(
            configuration, parts: parts, masker: masker, precision: precision, trains: trains, moments: moments,
            encoderPosition: encoderPosition, arenaLimit: arenaLimit, pipeline: pipeline)
        session = try Session(
            parameterBytes: programs.layout.bytes, trains: trains, moments: moments, sharesMoments: sharesMoments,
            storesGradients: storesGradients, threads: threads, isa: isa)
    }

    // MARK: Parameters

    /// A tensor of one segment in the reference's order, e.g. a parameter or its first moment.
    /// - Precondition: it is float32, or a moment of bf16.
    package func values(of parameter: ModelParameter, in memory: Memory) -> [Float] {
        let p = parameter.parameter
        precondition(p.element == .float32, "\(p.name) is \(p.type)")
        let rows = p.shape[0], depth = p.shape.dropFirst().reduce(1, *)
        let place = range(of: p, in: memory)
        if holdsHalves(memory) {
            let numbers = place.bindMemory(to: UInt16.self).map { BFloat16(bits: $0).value }
            return numbers.withUnsafeBufferPointer {
                parameter.toReference(Panels.unpack($0, rows: rows, depth: depth, sections: p.sections))
            }
        }
        let panels = UnsafeBufferPointer(place.assumingMemoryBound(to: Float.self))
        return parameter.toReference(Panels.unpack(panels, rows: rows, depth: depth, sections: p.sections))
    }

    /// - Precondition: as many values as the parameter has; loaders check shapes first.
    package func set(_ parameter: ModelParameter, in memory: Memory, _ values: [Float]) {
        let p = parameter.parameter
        let rows = p.shape[0], depth = p.shape.dropFirst().reduce(1, *)
        let place = range(of: p, in: memory), ours = parameter.fromReference(values)
        if holdsHalves(memory) {
            let panels = UnsafeMutableBufferPointer<Float>.allocate(capacity: p.type.storedCount)
            defer { panels.deallocate() }
            panels.initialize(repeating: 0)
            Panels.pack(ours, rows: rows, depth: depth, sections: p.sections, into: panels)
            for (half, number) in zip(place.bindMemory(to: UInt16.self).indices, panels) {
                place.bindMemory(to: UInt16.self)[half] = UInt16(truncatingIfNeeded: number.bitPattern >> 16)
            }
            return
        }
        switch p.element {
        case .int8: Panels.quantize(ours, rows: rows, depth: depth, sections: p.sections, into: place)
        case .bfloat16: Panels.round(ours, rows: rows, depth: depth, sections: p.sections, into: place)
        case .float32:
            Panels.pack(ours, rows: rows, depth: depth, sections: p.sections, into: place.assumingMemoryBound(to: Float.self))
        case .int32, .uint8: preconditionFailure("\(p.name) is \(p.type)")
        }
    }

    /// Fresh parameters, a function of the seed; several at a time, as large models have many.
    package func initialize(seed: UInt64) {
        // Each parameter is its own part of the memory, and what is read besides does not change.
        nonisolated(unsafe) let runtime = self
        DispatchQueue.concurrentPerform(iterations: parameters.all.count) { i in
            let parameter = runtime.parameters.all[i]
            runtime.set(parameter, in: runtime.session.parameters, parameter.initialValues(seed: seed))
        }
    }

    private func range(of parameter: Parameter, in memory: Memory) -> UnsafeMutableRawBufferPointer {
        guard let offset = layout.offset(of: parameter.name) else { preconditionFailure("\(parameter.name) is not of this model") }
        let part = holdsHalves(memory) ? 2 : 1  // of a float
        return UnsafeMutableRawBufferPointer(
            rebasing: UnsafeMutableRawBufferPointer(memory.floats)[offset / part..<(offset + parameter.type.bytes) / part])
    }

    /// Whether it is moments of bf16.
    private func holdsHalves(_ memory: Memory) -> Bool {
        session.moments == .bfloat16 && (memory === session.firstMoments || memory === session.secondMoments)
    }

    // MARK: Programs

    /// Step A; with no update, only its losses.
    /// - Parameter weight: the batch's share of a whole one, where it is a piece: its gradients are times that.
    package func autoencoderStep(
        images: Int, _ options: StepOptions, update: Update?, weight: Float = 1, examined: Bool = false
    ) throws -> Executable {
        try executable(.autoencoder(images: images, options, update, weight: weight, examined: examined))
    }
    /// How many images, at most `most`, step A can be looked at with in the arena that there is a limit for.
    package func examinedImages(most: Int, _ options: StepOptions) throws -> Int {
        var images = most
        while let limit = programs.arenaLimit, images > 1 {
            let program = try programs.compile(.autoencoder(images: images, options, nil, examined: true))
            if program.arenaBytes <= limit { break }
            images = (images + 1) / 2
        }
        return images
    }
    /// How many images, at most `most`, features can be computed of at a time in the arena that there is already.
    package func featureImages(most: Int) throws -> Int {
        var images = most
        while images > 1, try programs.compile(.features(images: images, [.cls, .mean])).arenaBytes > session.arenaBytes {
            images = (images + 1) / 2
        }
        return images
    }
    /// Step B.
    package func maskerStep(images: Int, _ options: StepOptions, update: Update?, examined: Bool = false) throws -> Executable {
        try executable(.masker(images: images, options, update, examined: examined))
    }
    /// Features of images: of whole ones, or of some of their patches.
    package func features(
        images: Int, _ pools: [FeaturePooling] = [.cls, .mean], fromPixels: Bool = false, keeping: KeptPatches? = nil
    ) throws -> Executable {
        try executable(.features(images: images, pools, fromPixels: fromPixels, keeping: keeping))
    }
    /// A step of fine-tuning.
    package func classifierStep(images: Int, dropsPaths: Bool, update: Update) throws -> Executable {
        try executable(.classifier(images: images, dropsPaths: dropsPaths, update))
    }
    /// A classifier's logits.
    package func classification(images: Int) throws -> Executable { try executable(.classification(images: images)) }
    /// Constants of the programs compiled so far.
    package var constants: [Float] { programs.constants.values }

    package func executable(_ key: ProgramKey) throws -> Executable {
        if let known = executables[key] { return known }
        let program = try programs.compile(key)
        let made = try session.prepare(program, constants: programs.constants.values)
        executables[key] = made
        return made
    }

    /// A result of the executable that ran last, row-major in the reference's order of rows.
    /// - Throws: `MissingResult` for a name that the program has no result of.
    package func result(_ name: String, of executable: Executable) throws(MissingResult) -> [Float] {
        let place = try executable.program.result(name), stored = session.result(place)
        guard case .panels(let sections) = place.type.layout else { return Array(stored) }
        return Panels.unpack(stored, rows: place.type.shape[0], depth: place.type.shape.dropFirst().reduce(1, *), sections: sections)
    }
}
