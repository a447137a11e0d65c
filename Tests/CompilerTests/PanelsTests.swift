import CurricleGraph
import CurricleTensors
import CurricleTestSupport
import Testing
@testable import CurricleCompiler

@Suite("Panels")
struct PanelsTests {
    @Test("packed as documented and back", arguments: [(1, 1, 1), (16, 5, 1), (17, 3, 1), (66, 7, 3), (45, 1, 3), (48, 2, 3)])
    func roundTrip(rows: Int, depth: Int, sections: Int) {
        let values = (0..<rows * depth).map { Float($0 + 1) }, order = PanelOrder(shape: [rows, depth], sections: sections)
        var stored = [Float](repeating: .nan, count: order.storedCount)
        stored.withUnsafeMutableBufferPointer { Panels.pack(values, rows: rows, depth: depth, sections: sections, into: $0) }
        #expect(stored == order.packed(values))
        #expect(stored.withUnsafeBufferPointer { Panels.unpack($0, rows: rows, depth: depth, sections: sections) } == values)
        #expect(TensorType([rows, depth], layout: .panels(sections: sections)).storedCount == order.storedCount)
    }

    @Test("a parameter's sections lie one after another, groups in one piece")
    func layout() throws {
        let packed = Parameter(name: "qkv", shape: [30, 4], sections: 3, group: .masker, decays: true)
        let other = Parameter(name: "bias", shape: [5], group: .autoencoder, decays: false)
        let layout = ParameterLayout([packed, other])
        #expect(layout.groups[.autoencoder] == 0..<64)
        #expect(layout.groups[.masker] == 64..<64 + 3 * 16 * 4 * 4)
        #expect(layout.offset(of: "qkv") == 64 && layout.offset(of: "bias") == 0 && layout.offset(of: "none") == nil)
        #expect(try layout.offset(of: ParameterSlice(packed, sections: 1..<3)) == 64 + 16 * 4 * 4)
    }
}
