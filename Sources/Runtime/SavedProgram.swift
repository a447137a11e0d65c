import Program

extension Session {
    /// Runs a program and gives it as a file with its inputs and what it computed, for a C program to replay without Swift
    /// (CSupport/tests/test_program.c, where the format is): on another instruction set, or another machine.
    /// - Parameter batch: what the program reads; as for `run`.
    /// - Throws: `RuntimeError.badProgram` where it does not run, or ends at a loss that is not finite.
    public func saved(_ executable: Executable, batch: UnsafeRawBufferPointer) throws(RuntimeError) -> [UInt8] {
        let program = executable.program
        guard try run(executable, batch: batch) == .done else { throw .badProgram("a loss is not finite") }
        let given: [Segment: UnsafeRawBufferPointer] = [
            .parameters: parameters.contents, .constants: constants.contents, .scalars: scalars.contents, .batch: batch,
        ]
        var out = Array("CURRICT3".utf8)
        func append(_ number: Int) { withUnsafeBytes(of: UInt64(number).littleEndian) { out.append(contentsOf: $0) } }
        append(program.instructions.count)
        append(program.results.count)
        for segment in Segment.allCases {
            append(segment == .arena ? program.arenaBytes : segment == .results ? program.resultBytes : given[segment]?.count ?? 0)
        }
        for segment in Segment.allCases { append(given[segment]?.count ?? 0) }
        out.append(contentsOf: executable.bytes)
        for segment in Segment.allCases { if let bytes = given[segment] { out.append(contentsOf: bytes) } }
        for place in program.results {
            append(place.offset)
            append(place.isInteger ? place.shape.reduce(1, *) : result(place).count)
            append(place.isInteger ? 1 : 0)
        }
        out.append(contentsOf: results.contents.prefix(program.resultBytes))
        return out
    }
}

extension Memory {
    /// The block as it is.
    public var contents: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: bytes) }
}
