import CurricleCInstructions
import CurricleCompiler
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleTestSupport
import Testing

/// What REFERENCE.md lists as work that a static compiler can leave out.
@Suite("Skipped work")
struct SkippedWorkTests {
    let c = MicroModel.configuration, images = MicroModel.images
    var removed: Int { c.patches - c.kept(maskRatio: 0.75) }

    /// Attentions (or their gradients) of a head count: queries of each.
    private func queries(_ program: Program, _ kernel: Opcode, heads: Int) -> [Int] {
        program.instructions.filter { $0.kernel == kernel }.compactMap { instruction in
            let (of, queries) =
                kernel == .attention
                ? (instruction.attention_places.heads, instruction.attention_places.queries)
                : (instruction.attention_gradient_places.heads, instruction.attention_gradient_places.queries)
            return Int(of) == heads ? Int(queries) : nil
        }
    }

    private func linears(_ program: Program) -> [linear_places] {
        program.instructions.filter { $0.kernel == .linear }.map(\.linear_places)
    }

    @Test("the masker's last block keeps one query an image, forward and backward")
    func oneQuery() throws {
        let tokens = c.patches + 1
        let a = try MicroModel(.autoencoder).program(), b = try MicroModel(.masker).program()
        #expect(queries(a, .attention, heads: c.maskerHeads) == [tokens, 1])
        #expect(queries(b, .attention, heads: c.maskerHeads) == [tokens, 1])
        #expect(queries(b, .attention_gradient, heads: c.maskerHeads) == [1, tokens])
        #expect(queries(a, .attention_gradient, heads: c.maskerHeads) == [])
    }

    @Test("step A predicts removed patches only, and so asks that many rows of the last decoder block")
    func removedOnly() throws {
        let a = try MicroModel(.autoencoder).program()
        #expect(queries(a, .attention, heads: c.decoderHeads) == [c.patches + 1, removed])
        let predictions = linears(a).filter { Int($0.columns) == c.patchWidth }
        #expect(predictions.map { Int($0.rows) } == [images * removed])
        let hidden = linears(a).filter { InstructionFlags(rawValue: $0.flags).contains(.gelu) && Int($0.depth) == c.decoderWidth }
        #expect(hidden.map { Int($0.rows) } == [images * (c.patches + 1), images * removed])
    }

    @Test("each step updates its own half, whole and once", arguments: MicroModel.Step.allCases)
    func ownHalf(_ step: MicroModel.Step) throws {
        let model = try MicroModel(step), layout = model.layout, program = try model.program()
        var updated: [Range<Int>] = []
        for places in program.instructions.filter({ $0.kernel == .adamw }).map(\.adamw_places) {
            let place = try #require(Operand(encoded: places.parameter))
            #expect(place.segment == .parameters)
            #expect(Operand(encoded: places.first_moment) == Operand(.firstMoments, place.offset))
            #expect(Operand(encoded: places.second_moment) == Operand(.secondMoments, place.offset))
            updated.append(place.offset..<place.offset + Int(places.count) * 4)
        }
        updated.sort { $0.lowerBound < $1.lowerBound }
        #expect(zip(updated, updated.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        #expect(updated.first?.lowerBound == layout.groups[model.group]?.lowerBound)
        #expect(updated.last?.upperBound == layout.groups[model.group]?.upperBound)
    }

    @Test("no weight gradient of a frozen half, no input gradient below what is trained")
    func frozen() throws {
        let a = try MicroModel(.autoencoder), b = try MicroModel(.masker)
        let gradientsA = try a.program().instructions.filter { $0.kernel == .linear_weight_gradient }
        let gradientsB = try b.program().instructions.filter { $0.kernel == .linear_weight_gradient }
        // Patch embedding, encoder, decoder embedding, decoder whose last qkv is in two, prediction; masker likewise with its head.
        #expect(gradientsA.count == 1 + 4 * c.depth + 1 + 4 * c.decoderDepth + 1 + 1)
        #expect(gradientsB.count == 4 * c.maskerDepth + 1 + 1)
        func turned(_ program: Program) -> Set<Int> {
            Set(
                program.instructions.filter { $0.kernel == .transpose_panels }.compactMap {
                    Operand(encoded: $0.transpose_panels_places.weight)?.offset
                })
        }
        let maskers = try #require(a.layout.groups[.masker]), embedding = try #require(b.layout.offset(of: "patch_embed.proj.weight"))
        #expect(try turned(a.program()).allSatisfy { !maskers.contains($0) })
        #expect(try !turned(a.program()).contains(embedding))
        #expect(try !turned(b.program()).contains(embedding))
    }

    @Test("no selection is left where rows could be left out before it")
    func noWholeRows() throws {
        let b = try MicroModel(.masker).program()
        // The class token is predicted by nobody.
        let predictions = linears(b).filter { Int($0.columns) == c.patchWidth }
        #expect(predictions.map { Int($0.rows) } == [images * c.patches])
    }
}
