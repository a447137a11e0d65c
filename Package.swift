// swift-tools-version: 6.2
import PackageDescription

/// Kernels need -O3 in every configuration (a debug build still has to train), OpenMP for the team,
/// and no contraction: fused multiply-adds are written where they are meant, so that every ISA gives the same bits.
let kernelFlags: [CSetting] = [
    .unsafeFlags(["-std=c17", "-O3", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Wno-psabi"])
]

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
            name: "CSupport", dependencies: ["CInstructions"], path: "CSupport",
            exclude: ["instructions", "isa.inc", "kernels", "simd", "tests", "examples", "Makefile", "packaging"],
            publicHeadersPath: "include", cSettings: kernelFlags,
            linkerSettings: [.linkedLibrary("omp5"), .linkedLibrary("m")]),
        .target(name: "CAlgebra", path: "Sources/CAlgebra", linkerSettings: [.linkedLibrary("dl")]),
        .target(name: "CRanks", path: "Sources/CRanks", linkerSettings: [.linkedLibrary("dl")]),
        .systemLibrary(name: "CInstructions", path: "CSupport/instructions"),
        .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),

        .target(name: "Randomness", exclude: ["README.md"]),
        .target(name: "Settings", exclude: ["README.md"]),
        .target(name: "Tensors", dependencies: ["CInstructions"], exclude: ["README.md"]),
        .target(name: "Graph", dependencies: ["Tensors"], exclude: ["README.md"]),
        .target(name: "Program", dependencies: ["CInstructions", "Tensors"], exclude: ["README.md"]),
        .target(name: "Compiler", dependencies: ["CInstructions", "Tensors", "Graph", "Program"], exclude: ["README.md"]),
        .target(name: "Runtime", dependencies: ["CSupport", "Tensors", "Program"], exclude: ["README.md"]),
        .target(
            name: "Vision",
            dependencies: [
                "CSupport", "CTurboJPEG", "CPNG", "CWebP", "CZlib", "Randomness",
            ], exclude: ["README.md"]),
        .target(name: "Datasets", dependencies: ["CArchive", "Randomness", "Vision"], exclude: ["README.md"]),
        .target(name: "Models", dependencies: ["Randomness", "Tensors", "Graph"], exclude: ["README.md"]),
        .target(name: "Storage", dependencies: ["CZip"], exclude: ["README.md"]),
        .target(
            name: "Engine",
            dependencies: [
                "Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Models", "Storage",
            ], exclude: ["README.md"]),
        .target(
            name: "Weights",
            dependencies: [
                "CInstructions", "Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Vision", "Models", "Storage",
                "Engine",
            ], exclude: ["README.md"]),
        .target(
            name: "Features",
            dependencies: [
                "Settings", "Tensors", "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights",
            ], exclude: ["README.md"]),
        .target(name: "Evaluation", dependencies: ["CAlgebra", "Randomness", "Engine", "Features"], exclude: ["README.md"]),
        .target(
            name: "Training",
            dependencies: [
                "CRanks", "Randomness", "Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Vision", "Datasets", "Models",
                "Storage", "Engine", "Weights", "Features",
            ], exclude: ["README.md"]),
        .target(
            name: "Reports",
            dependencies: [
                "Settings", "Tensors", "Program", "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights",
                "Features", "Evaluation", "Training",
            ], exclude: ["README.md"]),
        .target(
            name: "Proofs",
            dependencies: [
                "CInstructions", "Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Vision", "Datasets", "Models",
                "Storage", "Engine", "Weights", "Features", "Evaluation", "Training",
            ], exclude: ["README.md"]),
        .target(
            name: "Curricle", dependencies: ["Settings", "Runtime", "Vision", "Datasets", "Models", "Engine", "Weights", "Features"],
            exclude: ["README.md"]),
        .target(
            name: "CurricleTraining", dependencies: ["Runtime", "Vision", "Models", "Engine", "Training", "Curricle"],
            exclude: ["README.md"]),
        .target(name: "Terminal", dependencies: ["Settings"], exclude: ["README.md"]),
        .executableTarget(
            name: "curricle",
            dependencies: [
                "Settings", "Graph", "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights", "Features",
                "Evaluation", "Training", "Reports", "Proofs", "Terminal",
            ]),

        .target(name: "Reference", dependencies: ["Tensors", "Graph"], exclude: ["README.md"]),
        .target(
            name: "TestSupport",
            dependencies: [
                "Randomness", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Reference",
            ], path: "Tests/TestSupport"),
        .target(
            name: "RunSupport",
            dependencies: [
                "Graph", "Vision", "Datasets", "Models", "Engine", "Features", "Training",
            ], path: "Tests/RunSupport"),
        .testTarget(name: "RandomnessTests", dependencies: ["Randomness"]),
        .testTarget(
            name: "GraphTests",
            dependencies: [
                "Tensors", "Graph", "Program", "Compiler", "Runtime", "Reference", "TestSupport",
            ]),
        .testTarget(
            name: "CompilerTests",
            dependencies: [
                "CInstructions", "Tensors", "Graph", "Program", "Compiler", "Models", "TestSupport",
            ]),
        .testTarget(
            name: "RuntimeTests",
            dependencies: [
                "CSupport", "CInstructions", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Models", "Reference",
                "TestSupport",
            ]),
        .testTarget(name: "VisionTests", dependencies: ["CZlib", "Randomness", "Vision", "Datasets"], exclude: ["Fixtures"]),
        .testTarget(name: "ModelsTests", dependencies: ["Graph", "Compiler", "Models", "Reference", "TestSupport"]),
        .testTarget(name: "StorageTests", dependencies: ["Storage", "TestSupport"]),
        .testTarget(name: "EngineTests", dependencies: ["Runtime", "Engine", "TestSupport"]),
        .testTarget(
            name: "WeightsTests",
            dependencies: [
                "Settings", "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights", "Features", "TestSupport",
            ]),
        .testTarget(
            name: "FeaturesTests",
            dependencies: [
                "Tensors", "Graph", "Compiler", "Runtime", "Vision", "Datasets", "Models", "Storage", "Engine", "Weights",
                "Features", "TestSupport",
            ]),
        .testTarget(name: "EvaluationTests", dependencies: ["Features", "Evaluation", "TestSupport"]),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Settings", "Tensors", "Graph", "Program", "Compiler", "Runtime", "Vision", "Datasets", "Models", "Storage",
                "Engine", "Weights", "Features", "Training", "Proofs", "TestSupport", "RunSupport",
            ]),
        .testTarget(
            name: "ReportsTests",
            dependencies: [
                "Settings", "Graph", "Runtime", "Vision", "Datasets", "Models", "Engine", "Features", "Evaluation", "Training",
                "Reports", "TestSupport", "RunSupport",
            ]),
        .testTarget(name: "ProofsTests", dependencies: ["Runtime", "Models", "Storage", "Engine", "Proofs", "TestSupport"]),
        .testTarget(
            name: "CurricleTests",
            dependencies: ["Runtime", "Vision", "Datasets", "Features", "Curricle", "CurricleTraining", "TestSupport"]),
        .testTarget(name: "TerminalTests", dependencies: ["Settings", "Terminal"]),
        .testTarget(name: "ArchitectureTests"),
        .testTarget(name: "CommandTests", dependencies: ["Vision"])
    ],
    swiftLanguageModes: [.v6]
)

// The fuzzers need the sanitizers' main and so are no part of an ordinary build: tools/fuzz.sh.
if Context.environment["CURRICLE_FUZZ"] != nil {
    package.targets.append(
        .executableTarget(
            name: "Fuzz", dependencies: ["Settings", "Vision", "Datasets", "Storage", "Weights", "Training", "Terminal"],
            path: "Tests/Fuzz", exclude: ["Corpus"]))
}
