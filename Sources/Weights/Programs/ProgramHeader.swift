import CurricleModels
import CurricleRuntime

/// What a row of a program's output is (`curricle_pool`).
package enum ProgramOutput: Sendable, Hashable {
    case features(FeaturePooling)
    /// Of a classifier, a number a class: as they are, or as shares of one.
    case logits, probabilities

    static let all = FeaturePooling.allCases.map { ProgramOutput.features($0) } + [.logits, .probabilities]

    /// As a program file has it.
    var code: UInt32 {
        switch self {
        case .features(let pool): pool.code
        case .logits: 4
        case .probabilities: 5
        }
    }
}

extension FeaturePooling {
    /// As a program file has it (`curricle_pool`).
    var code: UInt32 {
        switch self {
        case .cls: 0
        case .mean: 1
        case .tokens: 2
        case .clsAndMean: 3
        }
    }
}

extension Precision {
    /// As a program file has it (`curricle_precision`).
    var code: UInt32 {
        switch self {
        case .float32: 0
        case .bfloat16: 1
        case .int8: 2
        }
    }
}

/// The first 256 bytes of a program file (docs/PROGRAM_FORMAT.md).
struct ProgramHeader: Equatable {
    static let bytes = 256, alignment = 64, instructionBytes = 136, writerBytes = 24
    /// Where the checksum stands; it counts everything behind itself.
    static let checksumPlace = 12, checksumStart = 16
    private static let labelsPlace = 176

    struct Section: Equatable { var offset = 0, bytes = 0 }

    var checksum: UInt32 = 0
    var fileBytes = 0
    var output: ProgramOutput
    var images, height, width, channels: Int
    var rows, rowWidth: Int
    var instructionCount: Int
    var instructions = Section(), scalars = Section(), constants = Section(), parameters = Section()
    var arenaBytes: Int
    var workspaceBytes: Int
    var precision = Precision.float32
    /// From version 2 on, for people: the arithmetic that wrote the file (`Arithmetic.number`), and the writer's name and version.
    var arithmetic = 0, writer = ""
    /// From version 2 on: a classifier's names, each with a zero behind it; and the checksum of what comes of the test's input.
    var labels = Section(), testChecksum: UInt32?

    /// Whether an instruction is one that version 1 does not have.
    var hasNewInstructions = false

    /// The oldest that can say it.
    var version: UInt32 {
        precision == .float32 && testChecksum == nil && labels.bytes == 0 && output.code < 4 && !hasNewInstructions ? 1 : 2
    }

    /// Places the sections, one behind the other, aligned.
    mutating func layOut(scalars scalarBytes: Int, constants constantBytes: Int, parameters parameterBytes: Int, labels labelBytes: Int) {
        var end = ProgramHeader.bytes
        func section(_ bytes: Int) -> Section {
            let offset = ProgramHeader.aligned(end)
            end = offset + bytes
            return Section(offset: offset, bytes: bytes)
        }
        instructions = section(instructionCount * ProgramHeader.instructionBytes)
        scalars = section(scalarBytes)
        constants = section(constantBytes)
        parameters = section(parameterBytes)
        labels = labelBytes == 0 ? Section() : section(labelBytes)
        fileBytes = ProgramHeader.aligned(end)
    }

    static func aligned(_ bytes: Int) -> Int { (bytes + alignment - 1) / alignment * alignment }

    var encoded: [UInt8] {
        var out = Array("CURRICLE".utf8)
        func append<Number: FixedWidthInteger>(_ number: Number) { withUnsafeBytes(of: number.littleEndian) { out.append(contentsOf: $0) } }
        append(version)
        append(checksum)
        append(UInt64(fileBytes))
        append(UInt32(ProgramHeader.bytes))
        append(output.code)
        for number in [images, height, width, channels, rows, rowWidth, instructionCount, ProgramHeader.instructionBytes] {
            append(UInt32(clamping: number))
        }
        for section in [instructions, scalars, constants, parameters] {
            append(UInt64(section.offset))
            append(UInt64(section.bytes))
        }
        append(UInt64(arenaBytes))
        append(UInt64(workspaceBytes))
        if version > 1 {
            append(precision.code)
            append(UInt32(clamping: arithmetic))
            out += writer.utf8.prefix(ProgramHeader.writerBytes - 1)
            out += Array(repeating: 0, count: ProgramHeader.labelsPlace - out.count)
            append(UInt64(labels.offset))
            append(UInt64(labels.bytes))
            append(UInt32(testChecksum == nil ? 0 : 1))
            append(testChecksum ?? 0)
        }
        return out + Array(repeating: 0, count: ProgramHeader.bytes - out.count)
    }
}

extension ProgramHeader {
    /// Reads the header of a file that the library has opened: what is in it holds.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= ProgramHeader.bytes else { return nil }
        func number(_ offset: Int) -> Int { Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self))) }
        func wide(_ offset: Int) -> Int {
            Int(clamping: UInt64(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
        }
        func section(_ offset: Int) -> Section { Section(offset: wide(offset), bytes: wide(offset + 8)) }
        guard let output = ProgramOutput.all.first(where: { Int($0.code) == number(28) }) else { return nil }
        self.init(
            checksum: UInt32(number(12)), fileBytes: wide(16), output: output, images: number(32), height: number(36), width: number(40),
            channels: number(44),
            rows: number(48), rowWidth: number(52), instructionCount: number(56), instructions: section(64), scalars: section(80),
            constants: section(96),
            parameters: section(112), arenaBytes: wide(128), workspaceBytes: wide(136))
        guard number(8) > 1 else { return }
        guard let precision = Precision.allCases.first(where: { Int($0.code) == number(144) }) else { return nil }
        self.precision = precision
        arithmetic = number(148)
        labels = section(ProgramHeader.labelsPlace)
        testChecksum = number(192) == 1 ? UInt32(number(196)) : nil
        writer = String(decoding: bytes[152..<(152 + ProgramHeader.writerBytes)].prefix { $0 != 0 }, as: UTF8.self)
    }
}
