// swift-tools-version: 6.1
import PackageDescription

/// Kernels need -O3 in every configuration (a debug build still has to train), OpenMP for the team,
/// and no contraction: fused multiply-adds are written where they are meant, so that every ISA gives the same bits.
let kernelFlags: [CSetting] = [
    .unsafeFlags(["-std=c17", "-O3", "-fopenmp", "-ffp-contract=off", "-fno-math-errno", "-Wall", "-Wextra", "-Wno-psabi"])
]

let package = Package(
    name: "Curricle",
    products: [.executable(name: "curricle", targets: ["curricle"])],
    targets: [
        .target(
            name: "CSupport", dependencies: ["CInstructions"], path: "CSupport", exclude: ["instructions", "isa.inc", "kernels", "simd", "tests", "examples", "Makefile", "curricle.pc.in"],
            publicHeadersPath: "include", cSettings: kernelFlags,
            linkerSettings: [.linkedLibrary("omp5"), .linkedLibrary("m")]),
        .target(name: "CAlgebra", path: "Sources/CAlgebra", linkerSettings: [.linkedLibrary("dl")]),
        .systemLibrary(name: "CInstructions", path: "CSupport/instructions"),
        .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CExif", pkgConfig: "libexif", providers: [.apt(["libexif-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),

        .target(name: "Randomness", exclude: ["README.md"]),
        .target(name: "Settings", exclude: ["README.md"]),
        .target(name: "Tensors", dependencies: ["CInstructions"], exclude: ["README.md"]),
        .target(name: "Graph", dependencies: ["Tensors"], exclude: ["README.md"]),
        .target(name: "Program", dependencies: ["Tensors", "CInstructions"], exclude: ["README.md"]),
        .target(name: "Compiler", dependencies: ["Graph", "Program", "Tensors", "CInstructions"], exclude: ["README.md"]),
        .target(name: "Runtime", dependencies: ["Program", "Tensors", "CSupport"], exclude: ["README.md"]),
        .target(name: "Vision", dependencies: ["CSupport", "Randomness", "CTurboJPEG", "CPNG", "CWebP", "CExif", "CZlib", "CArchive"], exclude: ["README.md"]),
        .target(name: "Models", dependencies: ["Graph", "Tensors", "Randomness"], exclude: ["README.md"]),
        .target(name: "Storage", dependencies: ["Settings", "CZip"], exclude: ["README.md"]),
        .target(name: "Engine", dependencies: ["Settings", "Tensors", "Storage", "Models", "Runtime", "Compiler", "Graph", "Program"], exclude: ["README.md"]),
        .target(name: "Weights", dependencies: ["Settings", "Tensors", "CInstructions", "Engine", "Storage", "Vision", "Models", "Runtime", "Compiler", "Graph", "Program"], exclude: ["README.md"]),
        .target(name: "Features", dependencies: ["Settings", "Tensors", "Graph", "Compiler", "Weights", "Engine", "Storage", "Vision", "Models", "Runtime"], exclude: ["README.md"]),
        .target(name: "Evaluation", dependencies: ["Settings", "Features", "Engine", "Randomness", "CAlgebra"], exclude: ["README.md"]),
        .target(
            name: "Training",
            dependencies: ["Settings", "Tensors", "Features", "Weights", "Engine", "Storage", "Vision", "Models", "Runtime", "Compiler", "Graph", "Program", "Randomness"],
            exclude: ["README.md"]),
        .target(
            name: "Reports", dependencies: ["Settings", "Tensors", "Training", "Evaluation", "Features", "Weights", "Engine", "Storage", "Vision", "Models", "Runtime", "Program"],
            exclude: ["README.md"]),
        .target(
            name: "Proofs",
            dependencies: [
                "Settings", "Tensors", "CInstructions", "Training", "Evaluation", "Features", "Weights", "Engine", "Storage", "Vision", "Models", "Runtime",
                "Compiler", "Graph", "Program",
            ],
            exclude: ["README.md"]),
        .target(name: "Terminal", dependencies: ["Settings"], exclude: ["README.md"]),
        .executableTarget(name: "curricle", dependencies: [
            "Terminal", "Proofs", "Reports", "Training", "Evaluation", "Features", "Weights", "Engine", "Storage",
            "Vision", "Models", "Runtime", "Graph", "Settings", "Tensors",
        ]),

        .target(name: "Reference", dependencies: ["Graph", "Tensors"], exclude: ["README.md"]),
        .target(name: "TestSupport", dependencies: ["Tensors", "Graph", "Reference", "Compiler", "Program", "Runtime", "Randomness"], path: "Tests/TestSupport"),
        .target(name: "RunSupport", dependencies: ["Training", "Features", "Engine", "Models", "Graph", "Vision"], path: "Tests/RunSupport"),
        .testTarget(name: "RandomnessTests", dependencies: ["Randomness"]),
        .testTarget(name: "GraphTests", dependencies: ["Tensors", "Program", "Runtime", "Graph", "Reference", "Compiler", "TestSupport"]),
        .testTarget(name: "CompilerTests", dependencies: ["Tensors", "Compiler", "Graph", "Program", "Models", "TestSupport"]),
        .testTarget(name: "RuntimeTests", dependencies: ["Tensors", "Runtime", "Compiler", "Graph", "Program", "Models", "TestSupport", "CSupport"]),
        .testTarget(name: "VisionTests", dependencies: ["Vision", "Randomness"], exclude: ["Fixtures"]),
        .testTarget(name: "ModelsTests", dependencies: ["Tensors", "Models", "Graph", "Compiler", "Reference", "TestSupport"]),
        .testTarget(name: "StorageTests", dependencies: ["Storage", "TestSupport"]),
        .testTarget(name: "EngineTests", dependencies: ["Tensors", "Settings", "Engine", "Runtime", "TestSupport"]),
        .testTarget(name: "WeightsTests", dependencies: ["Settings", "Tensors", "Features", "Weights", "Engine", "Storage", "Models", "Runtime", "Vision", "TestSupport"]),
        .testTarget(
            name: "FeaturesTests",
            dependencies: ["Tensors", "Features", "Weights", "Engine", "Storage", "Compiler", "Graph", "Models", "Runtime", "Vision", "TestSupport"]),
        .testTarget(name: "EvaluationTests", dependencies: ["Settings", "Evaluation", "Features", "TestSupport"]),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Settings", "Tensors", "Training", "Proofs", "Features", "Weights", "Engine", "Storage", "Compiler", "Graph", "Program", "Models", "Runtime", "Vision",
                "TestSupport", "RunSupport",
            ]),
        .testTarget(
            name: "ReportsTests",
            dependencies: ["Settings", "Tensors", "Reports", "Training", "Evaluation", "Features", "Engine", "Graph", "Models", "Runtime", "Vision", "TestSupport", "RunSupport"]),
        .testTarget(name: "ProofsTests", dependencies: ["Tensors", "Proofs", "Training", "Engine", "Storage", "Models", "Runtime", "TestSupport"]),
        .testTarget(name: "TerminalTests", dependencies: ["Terminal", "Settings"]),
        .testTarget(name: "ArchitectureTests"),
        .testTarget(name: "CommandTests", dependencies: ["Vision"]),
    ],
    swiftLanguageModes: [.v6]
)

// The fuzzers need the sanitizers' main and so are no part of an ordinary build: tools/fuzz.sh.
if Context.environment["CURRICLE_FUZZ"] != nil {
    package.targets.append(.executableTarget(
        name: "Fuzz", dependencies: ["Training", "Weights", "Storage", "Terminal", "Vision"], path: "Tests/Fuzz", exclude: ["Corpus"]))
}
