// swift-tools-version: 6.2
import PackageDescription

/// Kernels need -O3 in every configuration (a debug build still has to train), OpenMP for the team,
/// and no contraction: fused multiply-adds are written where they are meant, so that every ISA gives the same bits.
let kernelFlags: [CSetting] = [
    .unsafeFlags(["-std=c17", "-O3", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Wno-psabi"])
]

/// What is in the folder `Graph` is the module `CurricleGraph`, so that no name meets one of a package that depends on this one.
func module(_ folder: String) -> String {
    folder == "CSupport" || folder.lowercased().hasPrefix("curricle") ? folder : "Curricle" + folder
}

extension [String] {
    var modules: [Target.Dependency] { map { .target(name: module($0)) } }
}

extension Target {
    /// Swift of a folder of Sources, and the folders whose modules it imports.
    static func room(_ folder: String, _ imports: [String]) -> Target {
        .target(name: module(folder), dependencies: imports.modules, path: "Sources/\(folder)", exclude: ["README.md"])
    }

    /// Our C that opens a library at run time, where there is one.
    static func opener(_ folder: String) -> Target {
        .target(name: module(folder), path: "Sources/\(folder)", linkerSettings: [.linkedLibrary("dl")])
    }

    /// Somebody else's library: its name for pkg-config, and Debian's package.
    static func library(_ folder: String, _ pkgConfig: String, _ package: String) -> Target {
        .systemLibrary(name: module(folder), path: "Sources/\(folder)", pkgConfig: pkgConfig, providers: [.apt([package])])
    }

    /// What several folders of tests share.
    static func support(_ folder: String, _ imports: [String]) -> Target {
        .target(name: module(folder), dependencies: imports.modules, path: "Tests/\(folder)")
    }

    static func tests(_ folder: String, _ imports: [String], exclude: [String] = []) -> Target {
        .testTarget(name: folder, dependencies: imports.modules, exclude: exclude)
    }
}

let package = Package(
    name: "Curricle",
    products: [
        .executable(name: "curricle", targets: ["curricle"]),
        // Features, without training and without OpenBLAS; and training.
        .library(name: "Curricle", targets: ["Curricle"]),
        .library(name: "CurricleTraining", targets: ["CurricleTraining"])
    ],
    targets: [
        .target(
            name: "CSupport", dependencies: ["CInstructions"].modules, path: "CSupport",
            exclude: ["instructions", "isa.inc", "kernels", "simd", "tests", "examples", "Makefile", "packaging"],
            publicHeadersPath: "include", cSettings: kernelFlags,
            linkerSettings: [.linkedLibrary("omp5"), .linkedLibrary("m")]),
        .systemLibrary(name: module("CInstructions"), path: "CSupport/instructions"),
        .opener("CAlgebra"),
        .opener("CRanks"),
        .library("CTurboJPEG", "libturbojpeg", "libturbojpeg0-dev"),
        .library("CPNG", "libpng", "libpng-dev"),
        .library("CWebP", "libwebpdemux", "libwebp-dev"),
        .library("CZlib", "zlib", "zlib1g-dev"),
        .library("CZip", "libzip", "libzip-dev"),
        .library("CArchive", "libarchive", "libarchive-dev"),

        .room("Randomness", []),
        .room("Settings", []),
        .room("Tensors", ["CInstructions"]),
        .room("Graph", ["Tensors"]),
        .room("Program", ["CInstructions", "Tensors"]),
        .room("Compiler", ["CInstructions", "Tensors", "Graph", "Program"]),
        .room("Runtime", ["CSupport", "Tensors", "Program"]),
        .room("Vision", ["CSupport", "CTurboJPEG", "CPNG", "CWebP", "CZlib", "Randomness"]),
        .room("Datasets", ["CArchive", "Randomness", "Vision"]),
        .room("Models", ["Randomness", "Tensors", "Graph"]),
        .room("Storage", ["CZip"]),
        .room("Engine", ["Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Models", "Storage"]),
        .room(
            "Weights",
            [
                "CInstructions", "Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Vision", "Models", "Storage", "Engine"
            ]),
        .room("Features", ["Settings", "Tensors", "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights"]),
        .room("Evaluation", ["CAlgebra", "Randomness", "Engine", "Features"]),
        .room("Distributed", ["CRanks", "Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Engine"]),
        .room(
            "Trainer",
            [
                "Randomness", "Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Vision", "Datasets", "Models",
                "Storage", "Engine", "Weights", "Features", "Distributed"
            ]),
        .room(
            "Reports",
            [
                "Settings", "Tensors", "Program", "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights", "Features",
                "Evaluation", "Trainer"
            ]),
        .room(
            "Proofs",
            [
                "CInstructions", "Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Vision", "Datasets", "Models",
                "Storage", "Engine", "Weights", "Features", "Evaluation", "Distributed", "Trainer"
            ]),
        .room("Curricle", ["Settings", "Runtime", "Vision", "Datasets", "Models", "Engine", "Weights", "Features"]),
        .room(
            "CurricleTraining",
            [
                "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights", "Features", "Evaluation", "Trainer",
                "Reports", "Proofs", "Curricle"
            ]),
        .room("Terminal", ["Settings"]),
        .room("Reference", ["Tensors", "Graph"]),
        .executableTarget(
            name: "curricle",
            dependencies: [
                "Settings", "Graph", "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights", "Features",
                "Evaluation", "Distributed", "Trainer", "Reports", "Proofs", "Terminal"
            ].modules),

        .support("TestSupport", ["Randomness", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Reference"]),
        .support("RunSupport", ["Graph", "Vision", "Datasets", "Models", "Engine", "Features", "Trainer"]),
        .tests("RandomnessTests", ["Randomness"]),
        .tests("GraphTests", ["Tensors", "Graph", "Program", "Compiler", "Runtime", "Reference", "TestSupport"]),
        .tests("CompilerTests", ["CInstructions", "Tensors", "Graph", "Program", "Compiler", "Models", "TestSupport"]),
        .tests(
            "RuntimeTests",
            [
                "CSupport", "CInstructions", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Models", "Reference", "TestSupport"
            ]),
        .tests("VisionTests", ["CZlib", "Randomness", "Vision", "Datasets"], exclude: ["Fixtures"]),
        .tests("ModelsTests", ["Graph", "Compiler", "Models", "Reference", "TestSupport"]),
        .tests("StorageTests", ["Storage", "TestSupport"]),
        .tests("EngineTests", ["CInstructions", "Graph", "Program", "Runtime", "Models", "Engine", "TestSupport"]),
        .tests(
            "WeightsTests",
            [
                "Settings", "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights", "Features", "TestSupport"
            ]),
        .tests(
            "FeaturesTests",
            [
                "Tensors", "Graph", "Compiler", "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights", "Features",
                "TestSupport"
            ]),
        .tests("EvaluationTests", ["Features", "Evaluation", "TestSupport"]),
        .tests(
            "DistributedTests",
            ["Randomness", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Models", "Engine", "Distributed"]),
        .tests(
            "TrainerTests",
            [
                "CInstructions", "Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Vision", "Datasets", "Models",
                "Storage", "Engine", "Weights", "Features", "Distributed", "Trainer", "Proofs", "TestSupport", "RunSupport"
            ]),
        .tests(
            "ReportsTests",
            [
                "Settings", "Graph", "Runtime", "Vision", "Datasets", "Models", "Engine", "Features", "Evaluation", "Trainer", "Reports",
                "TestSupport", "RunSupport"
            ]),
        .tests("ProofsTests", ["Runtime", "Models", "Storage", "Engine", "Proofs", "TestSupport"]),
        .tests("CurricleTests", ["Runtime", "Vision", "Datasets", "Features", "Curricle", "CurricleTraining", "TestSupport"]),
        .tests("TerminalTests", ["Settings", "Terminal"]),
        .tests("ArchitectureTests", []),
        .tests("CommandTests", ["Vision"])
    ],
    swiftLanguageModes: [.v6]
)

// The fuzzers need the sanitizers' main and so are no part of an ordinary build: tools/fuzz.sh.
if Context.environment["CURRICLE_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Fuzz", dependencies: ["Settings", "Vision", "Datasets", "Storage", "Weights", "Trainer", "Terminal"].modules,
            path: "Tests/Fuzz", exclude: ["Corpus"]))
}
