import CurricleCInstructions
import CurricleCompiler
import CurricleGraph
import CurricleModels
import CurricleProgram
import CurricleTestSupport
import Testing

@Suite("Registry")
struct RegistryTests {
    @Test("kernels have names of their own, and no more fields than an instruction has room for")
    func fields() {
        #expect(Opcode.allCases.count == Int(CURRICLE_OPCODES))
        #expect(Set(Opcode.allCases.map(\.description)).count == Opcode.allCases.count)
        for kernel in Opcode.allCases {
            let fields = kernel.fields
            #expect((1...Int(CURRICLE_OPERANDS)).contains(fields.operands.count), "\(kernel)")
            #expect(fields.sizes.count <= Int(CURRICLE_SIZES) && fields.reals.count <= Int(CURRICLE_REALS), "\(kernel)")
            let names = (fields.operands + fields.sizes + fields.reals).map { $0.hasSuffix("?") ? String($0.dropLast()) : $0 }
            #expect(Set(names).count == names.count, "\(kernel) names two fields alike")
        }
    }

    /// Files of version 1 are read for ever: what they number is written down here, apart from the registry.
    @Test("program files' numbers stay what docs/PROGRAM_FORMAT.md says they are")
    func formatOne() {
        let documented: [(Int, String, String, String, String)] = [
            (0, "linear", "y derivative? x weight bias? residual? multiplier?", "rows columns depth section period", ""),
            (
                3, "attention", "y logsumexp? query key value",
                "images queries tokens heads head_width query_stride key_stride value_stride y_stride", "scale"
            ),
            (5, "layer_norm", "y statistics? x gamma beta normalized?", "rows width", "epsilon"),
            (7, "gelu", "y derivative? x", "count", ""),
            (8, "add", "y a b", "rows width period", ""),
            (12, "select_rows", "y x order?", "images rows width from_rows first offset order_stride lead", ""),
            (14, "prepend_row", "y x token", "images rows width", ""),
            (17, "mean_rows", "y x", "images rows width from_rows first", ""),
            (31, "patchify", "patches pixels scale_shift", "images rows columns patch channels", ""),
            (35, "concatenate", "y a b", "rows a_width b_width", ""),
            (37, "quantize_rows", "q x", "rows width", ""),
            (38, "linear_int8", "y x weight bias? residual?", "rows columns depth section period", ""),
            (44, "softmax", "y x", "rows width", ""), (45, "row_variance", "y x", "rows width", ""),
            (46, "keep_rows", "y x scores", "images rows width from_rows", ""),
            (47, "linear_bf16", "y derivative? x weight bias? residual? multiplier?", "rows columns depth section period", ""),
            (
                48, "attention_bf16", "y logsumexp? query key value",
                "images queries tokens heads head_width query_stride key_stride value_stride y_stride", "scale"
            )
        ]
        for (number, name, operands, sizes, reals) in documented {
            let kernel = Opcode.allCases[number], fields = kernel.fields
            #expect(kernel.description == name)
            #expect([fields.operands, fields.sizes, fields.reals].map { $0.joined(separator: " ") } == [operands, sizes, reals], "\(name)")
        }
        #expect(Segment.all.prefix(7).map(\.number) == [0, 1, 2, 3, 4, 5, 12])
    }

    @Test("fields go in and come out by their names")
    func named() {
        let places = linear_places(
            flags: 1, rows: 2, columns: 48, depth: 5, section: 16, period: 7, y: 10, derivative: .max, x: 30, weight: 40, bias: 50,
            residual: 60, multiplier: .max)
        let instruction = Instruction.linear(places), back = instruction.linear_places
        #expect(instruction.kernel == .linear && instruction.marks == .gelu)
        #expect(instruction.sizes == [2, 48, 5, 16, 7])
        #expect(instruction.operands.map { $0?.offset } == [10, nil, 30, 40, 50, 60, nil])
        #expect([back.rows, back.columns, back.depth, back.section, back.period] == [2, 48, 5, 16, 7])
        #expect(
            [back.y, back.derivative, back.x, back.weight, back.bias, back.residual, back.multiplier] == [10, .max, 30, 40, 50, 60, .max])
    }

    @Test("extents and FLOPs are those of the formulas")
    func demands() {
        // 48 columns in 3 sections of 16, and 30 in 3 of 10, each padded to a panel of 16.
        for (columns, section) in [(48, 16), (30, 10)] {
            let demand = Instruction.linear(
                linear_places(
                    flags: 0, rows: 7, columns: Int32(columns), depth: 5, section: Int32(section), period: 7, y: 0, derivative: .max, x: 0,
                    weight: 0, bias: 0,
                    residual: .max, multiplier: .max)
            ).demand
            #expect(demand.is_sound == 1)
            #expect(demand.flops == Double(2 * 7 * columns * 5))
            #expect(
                demand.extents.map { Int($0.bytes) } == [7 * columns, 7 * columns, 35, 48 * 5, 48, 7 * columns, 7 * columns].map { $0 * 4 })
            #expect(demand.extents.map(\.is_optional) == [0, 1, 0, 0, 1, 1, 1])
            #expect(demand.extents.map(\.is_written) == [1, 1, 0, 0, 0, 0, 0])
            #expect(demand.pairs.map { [$0.output, $0.input] } == [[0, 6], [0, 5]])
        }
        // Packed queries, keys and values: the last row ends with its own part.
        let attention = Instruction.attention(
            attention_places(
                images: 2, queries: 3, tokens: 3, heads: 2, head_width: 5, query_stride: 30, key_stride: 30, value_stride: 30, y_stride: 10,
                y: 0, logsumexp: .max, query: 0, key: 40, value: 80, scale: 1)
        ).demand
        #expect(attention.extents.map { Int($0.bytes) / 4 } == [60, 12, 160, 160, 160])
        #expect(attention.flops == Double(4 * 2 * 3 * 3 * 10))
    }

    @Test("sizes that count images, or rows of them, are twice as large for twice as many images")
    func batchSizes() throws {
        func programs(_ images: Int) throws -> [Program] {
            try MicroSizes.programs(images: images)
        }
        for (one, two) in zip(try programs(3), try programs(6)) {
            try #require(one.instructions.map(\.opcode) == two.instructions.map(\.opcode))
            for (a, b) in zip(one.instructions, two.instructions) {
                let kernel = try #require(a.kernel), bits = curricle_batch_sizes(kernel)
                for (i, name) in kernel.fields.sizes.enumerated() where bits >> UInt32(i) & 1 == 1 {
                    #expect(b.sizes[i] == 2 * a.sizes[i], "\(kernel)'s \(name): \(a.sizes) and \(b.sizes)")
                }
            }
        }
    }
}

/// Steps and features of a small model for any number of images.
private enum MicroSizes {
    static func programs(images: Int) throws -> [Program] {
        let c = TwoSteps.configuration, parameters = ModelParameters(c), layout = ParameterLayout(parameters.parameters)
        var pool = ConstantPool()
        let builder = ModelBuilder(c, parameters: parameters, images: images)
        var a = builder, b = builder, f = builder
        let stepA = try a.autoencoderStep(StepOptions()), stepB = try b.maskerStep(StepOptions())
        return [
            try Pipeline().compile(
                stepA.graph, training: Training(loss: stepA.loss, group: .autoencoder, update: .expose), layout: layout, constants: &pool),
            try Pipeline().compile(
                stepB.graph, training: Training(loss: stepB.loss, group: .masker, update: .expose), layout: layout, constants: &pool),
            try Pipeline().compile(try f.features([.clsAndMean], fromPixels: true), layout: layout, constants: &pool)
        ]
    }
}
