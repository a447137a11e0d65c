import CurricleCompiler
import CurricleGraph
import CurricleProgram
import CurricleRuntime
import CurricleTensors

/// Dot products of many rows with a block of rows that stays, by the same kernel and from the same panels as a model's `linear`:
/// the same bits for any number of threads and on every ISA with FMA.
package final class RowProducts {
    /// Rows that are multiplied at a time, and rows of the block that stays.
    package let rows, columns: Int
    private let block: Parameter
    private let session: Session
    private let executable: Executable
    private let place: ResultPlace
    private let given: Memory
    private static let input: InputName = "rows"

    /// - Parameter depth: numbers of a row.
    /// - Throws: `RuntimeError` where memory is lacking.
    package init(rows: Int, columns: Int, depth: Int, threads: Int, isa: ISA) throws {
        self.rows = rows
        self.columns = columns
        block = Parameter(name: "block", shape: [columns, depth], group: .autoencoder, decays: false)
        var graph = Graph()
        let x = try graph.append(.input(RowProducts.input), type: TensorType([1, rows, depth]))[0]
        let weight = try graph.append(.parameter(ParameterSlice(block)), type: block.type)[0]
        graph.results = [("products", try graph.append(.linear(LinearForm()), [x, weight])[0])]
        let layout = ParameterLayout([block])
        var constants = ConstantPool()
        let program = try Pipeline().compile(graph, layout: layout, constants: &constants)
        place = try program.result("products")
        session = try Session(parameterBytes: layout.bytes, trains: false, threads: threads, isa: isa)
        executable = try session.prepare(program)
        given = try Memory(floats: rows * depth, purpose: "rows to multiply")
    }

    /// Makes these the rows of the block: row-major, `columns` of them at most; zeros stand for what is missing.
    package func hold(_ values: [Float]) {
        let depth = block.shape[1], whole = values + Array(repeating: 0, count: columns * depth - values.count)
        Panels.pack(whole, rows: columns, depth: depth, sections: 1, into: session.parameters.floats)
    }

    /// Products [rows, columns] with each row of the block; valid until the next call. An error is at most (depth + 8) roundings of Σ|x·w|.
    /// - Parameter values: row-major, `rows` of them at most; what is missing has products that mean nothing.
    /// - Throws: `RuntimeError`.
    package func callAsFunction(_ values: [Float]) throws -> UnsafeBufferPointer<Float> {
        given.fill(values)
        _ = try session.run(executable, [RowProducts.input: .memory(given.contents(numbers: 0..<(rows * block.shape[1])))])
        return session.result(place)
    }

    /// Bytes that one takes, its rows as they are handed over among them.
    package static func bytes(rows: Int, columns: Int, depth: Int) -> Int {
        ElementType.float32.bytes * (2 * rows * depth + 3 * (columns + TensorType.panelWidth) * depth + rows * columns)
    }
}
