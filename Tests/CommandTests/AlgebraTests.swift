import Testing

/// OpenBLAS is opened by what needs it, and by nothing else.
@Suite("Where OpenBLAS is missing") struct AlgebraTests {
    private static let missing = ["CURRICLE_OPENBLAS": "/nowhere/libopenblas.so"]

    private func train(_ folder: Folder) throws -> (data: String, weights: String) {
        let data = try writeDigits(folder, count: 40)
        let run = try curricle(
            ["pretrain", "--data", data, "--output", folder.file("run"), "--epochs", "2", "--knn-every", "1"] + smallModel,
            environment: AlgebraTests.missing)
        #expect(run.code == 0, "\(run.errors)")
        return (data, folder.file("run/model.safetensors"))
    }

    @Test("pretraining, its kNN and knn itself do without it; probe says what is missing and what to do") func whatNeedsIt() throws {
        let folder = try Folder(), (data, weights) = try train(folder)
        for kind in ["reference", "dino"] {
            let knn = try curricle(
                ["knn", "--weights", weights, "--train", data, "--test", data, "--protocol", kind, "-k", "3"],
                environment: AlgebraTests.missing)
            #expect(knn.code == 0, "\(knn.errors)")
        }
        for method in ["ridge", "lars"] {
            let probe = try curricle(
                ["probe", "--weights", weights, "--train", data, "--test", data, "--method", method], environment: AlgebraTests.missing)
            #expect(probe.code == 2)
            #expect(
                probe.errors.contains("OpenBLAS") && probe.errors.contains("/nowhere/libopenblas.so")
                    && probe.errors.contains("libopenblas0"), "\(probe.errors)")
        }
    }
}
