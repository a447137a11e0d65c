import CurricleModels
import CurricleRuntime
import CurricleTestSupport
@testable import CurricleEngine

extension ModelRuntime {
    /// An encoder with weights drawn for its float form: the same ones in every precision.
    static func drawn(_ sizes: ModelConfiguration, _ precision: Precision, threads: Int, _ isa: ISA) throws -> ModelRuntime {
        let model = try ModelRuntime(sizes, parts: .encoder, precision: precision, trains: false, threads: threads, isa: isa)
        let float = ModelParameters(sizes, parts: .encoder), given = GivenTensors(drawing: float.parameters, seed: 11)
        for (parameter, values) in zip(model.parameters.all, given.parameters.map(\.values)) {
            model.set(parameter, in: model.session.parameters, parameter.toReference(values))
        }
        return model
    }
}
