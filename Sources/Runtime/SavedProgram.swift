import CSupport
import CurricleProgram
import CurricleTensors

extension Session {
    /// Runs a program and gives it as a file with its inputs and what it computed, for a C program to replay without Swift
    /// (CSupport/tests/test_program.c, where the format is): on another instruction set, or another machine.
    /// - Parameter inputs: as for `run`.
    /// - Throws: `RuntimeError` where it does not run, or ends at a loss that is not finite.
    package func saved(_ executable: Executable, _ inputs: RunInputs) throws(RuntimeError) -> [UInt8] {
        let program = executable.program
        guard try run(executable, inputs) == .done else { throw .badProgram("a loss is not finite") }
        var given: [Int: UnsafeRawBufferPointer] = [
            Segment.parameters.number: parameters.contents, Segment.constants.number: constants.contents
        ]
        for (index, input) in program.inputs.enumerated() {
            switch inputs[input.name] {
            case .memory(let memory): given[Segment.given(index).number] = memory
            case .numbers: given[Segment.given(index).number] = numberPlaces[index]
            case nil: throw .missingInput(input.name, input.type)
            }
        }
        var out = Array("CURRICT4".utf8)
        func append(_ number: Int) { withUnsafeBytes(of: UInt64(number).littleEndian) { out.append(contentsOf: $0) } }
        let segments = 0..<Int(CURRICLE_SEGMENTS)
        append(program.instructions.count)
        append(program.results.count)
        for segment in segments {
            switch segment {
            case Segment.arena.number: append(program.arenaBytes)
            case Segment.results.number: append(program.resultBytes)
            default: append(given[segment]?.count ?? 0)
            }
        }
        for segment in segments { append(given[segment]?.count ?? 0) }
        out.append(contentsOf: executable.bytes)
        for segment in segments { if let bytes = given[segment] { out.append(contentsOf: bytes) } }
        for place in program.results {
            append(place.offset)
            append(place.type.storedCount)
            append(place.type.element == .int32 ? 1 : 0)
        }
        out.append(contentsOf: results.contents.prefix(program.resultBytes))
        return out
    }
}
