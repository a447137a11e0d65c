import Compiler
import Graph
import Models
import Program
import TestSupport
import Testing

/// What REFERENCE.md lists as work that a static compiler can leave out.
@Suite("Skipped work")
struct SkippedWorkTests {
    let c = MicroModel.configuration, images = MicroModel.images
    var removed: Int { c.patches - c.kept(maskRatio: 0.75) }

    /// Attentions (or their gradients) of a head count: queries of each.
    private func queries(_ program: Program, _ opcode: Opcode, heads: Int) -> [Int] {
        program.instructions.filter { $0.opcode == opcode && $0.sizes[3] == heads }.map { $0.sizes[1] }
    }

    @Test("the masker's last block keeps one query an image, forward and backward")
    func oneQuery() throws {
        let tokens = c.patches + 1
        let a = try MicroModel(.autoencoder).program(), b = try MicroModel(.masker).program()
        #expect(queries(a, .attention, heads: c.maskerHeads) == [tokens, 1])
        #expect(queries(b, .attention, heads: c.maskerHeads) == [tokens, 1])
        #expect(queries(b, .attentionGradient, heads: c.maskerHeads) == [1, tokens])
        #expect(queries(a, .attentionGradient, heads: c.maskerHeads) == [])
    }

    @Test("step A predicts removed patches only, and so asks that many rows of the last decoder block")
    func removedOnly() throws {
        let a = try MicroModel(.autoencoder).program()
        #expect(queries(a, .attention, heads: c.decoderHeads) == [c.patches + 1, removed])
        let predictions = a.instructions.filter { $0.opcode == .linear && $0.sizes[1] == c.patchWidth }
        #expect(predictions.map { $0.sizes[0] } == [images * removed])
        let hidden = a.instructions.filter { $0.opcode == .linear && $0.flags.contains(.gelu) && $0.sizes[2] == c.decoderWidth }
        #expect(hidden.map { $0.sizes[0] } == [images * (c.patches + 1), images * removed])
    }

    @Test("each step updates its own half, whole and once", arguments: MicroModel.Step.allCases)
    func ownHalf(_ step: MicroModel.Step) throws {
        let model = try MicroModel(step), layout = model.layout, program = try model.program()
        var updated: [Range<Int>] = []
        for instruction in program.instructions where instruction.opcode == .adamw {
            let place = try #require(instruction.operands[0])
            #expect(place.segment == .parameters)
            #expect(instruction.operands[1]?.offset == place.offset && instruction.operands[2]?.offset == place.offset)
            updated.append(place.offset..<place.offset + instruction.sizes[0] * 4)
        }
        updated.sort { $0.lowerBound < $1.lowerBound }
        #expect(zip(updated, updated.dropFirst()).allSatisfy { $0.upperBound == $1.lowerBound })
        #expect(updated.first?.lowerBound == layout.groups[model.group]?.lowerBound)
        #expect(updated.last?.upperBound == layout.groups[model.group]?.upperBound)
    }

    @Test("no weight gradient of a frozen half, no input gradient below what is trained")
    func frozen() throws {
        let a = try MicroModel(.autoencoder), b = try MicroModel(.masker)
        let gradientsA = try a.program().instructions.filter { $0.opcode == .linearWeightGradient }
        let gradientsB = try b.program().instructions.filter { $0.opcode == .linearWeightGradient }
        // Patch embedding, encoder, decoder embedding, decoder whose last qkv is in two, prediction; masker likewise with its head.
        #expect(gradientsA.count == 1 + 4 * c.depth + 1 + 4 * c.decoderDepth + 1 + 1)
        #expect(gradientsB.count == 4 * c.maskerDepth + 1 + 1)
        func turned(_ program: Program) -> Set<Int> { Set(program.instructions.filter { $0.opcode == .transposePanels }.compactMap { $0.operands[1]?.offset }) }
        let maskers = try #require(a.layout.groups[.masker]), embedding = try #require(b.layout.offset(of: "patch_embed.proj.weight"))
        #expect(try turned(a.program()).allSatisfy { !maskers.contains($0) })
        #expect(try !turned(a.program()).contains(embedding))
        #expect(try !turned(b.program()).contains(embedding))
    }

    @Test("no selection is left where rows could be left out before it")
    func noWholeRows() throws {
        let b = try MicroModel(.masker).program()
        // The class token is predicted by nobody.
        let predictions = b.instructions.filter { $0.opcode == .linear && $0.sizes[1] == c.patchWidth }
        #expect(predictions.map { $0.sizes[0] } == [images * c.patches])
    }
}
