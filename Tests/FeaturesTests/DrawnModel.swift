import CurricleModels
import CurricleRuntime
import CurricleTestSupport
import Testing
@testable import CurricleEngine
@testable import CurricleFeatures
@testable import CurricleGraph

/// A small encoder whose sizes fill no vector evenly.
let smallEncoder = ModelConfiguration(
    imageHeight: 30, imageWidth: 24, patchSize: 6, channels: 3, embedWidth: 36, depth: 3, heads: 3, maskerHeads: 4)

func smallRuntime(_ precision: Precision, threads: Int = 1, isa: ISA = .best) throws -> ModelRuntime {
    try .drawn(smallEncoder, precision, threads: threads, isa)
}

/// The different bits that `run` gives with 1, 2, 3, 5 and 8 threads, on every ISA with FMA, with and without the CPU's
/// instructions for products of bytes and of bfloat16.
func differentBits(_ run: (_ threads: Int, ISA) throws -> [UInt32]) rethrows -> Set<[UInt32]> {
    defer { Machine.allowDot(true) }
    var all: Set<[UInt32]> = []
    for isa in ISA.available where isa != .baseline {
        for threads in [1, 2, 3, 5, 8] {
            for allowed in [true, false] {
                Machine.allowDot(allowed)
                all.insert(try run(threads, isa))
            }
        }
    }
    return all
}

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

    /// The class tokens and means of `images` drawn images, one array after the other.
    func features(images: Int) throws -> [Float] {
        let sizes = configuration
        var given = GivenTensors()
        given.drawPatches(images * sizes.patches * sizes.patchWidth, seed: 5)
        let executable = try features(images: images, [.cls, .mean])
        #expect(try given.run(executable, in: session) == .done)
        return try result("cls", of: executable) + result("mean", of: executable)
    }
}
