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
            name: "CSupport", path: "CSupport", exclude: ["kernels", "registry.inc", "tests", "examples", "Makefile", "curricle.pc.in"],
            publicHeadersPath: "include", cSettings: kernelFlags,
            linkerSettings: [.linkedLibrary("omp5"), .linkedLibrary("m")]),
        .target(name: "CAlgebra", path: "Sources/CAlgebra", linkerSettings: [.linkedLibrary("dl")]),
        .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CExif", pkgConfig: "libexif", providers: [.apt(["libexif-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),

        .target(name: "Randomness", exclude: ["README.md"]),
        .target(name: "Graph", exclude: ["README.md"]),
        .target(name: "Program", exclude: ["README.md"]),
        .target(name: "Compiler", dependencies: ["Graph", "Program"], exclude: ["README.md"]),
        .target(name: "Runtime", dependencies: ["Program", "CSupport"], exclude: ["README.md"]),
        .target(name: "Vision", dependencies: ["CSupport", "Randomness", "CTurboJPEG", "CPNG", "CWebP", "CExif", "CZlib", "CArchive"], exclude: ["README.md"]),
        .target(name: "Models", dependencies: ["Graph", "Randomness"], exclude: ["README.md"]),
        .target(name: "Storage", dependencies: ["CZip"], exclude: ["README.md"]),
        .target(name: "Engine", dependencies: ["Storage", "Models", "Runtime", "Compiler", "Graph", "Program"], exclude: ["README.md"]),
        .target(name: "Weights", dependencies: ["Engine", "Storage", "Vision", "Models", "Runtime", "Compiler", "Graph", "Program"], exclude: ["README.md"]),
        .target(name: "Features", dependencies: ["Weights", "Engine", "Storage", "Vision", "Models", "Runtime"], exclude: ["README.md"]),
        .target(name: "Evaluation", dependencies: ["Features", "Engine", "Randomness", "CAlgebra"], exclude: ["README.md"]),
        .target(
            name: "Training",
            dependencies: ["Features", "Weights", "Engine", "Storage", "Vision", "Models", "Runtime", "Compiler", "Graph", "Program", "Randomness"],
            exclude: ["README.md"]),
        .target(
            name: "Reports", dependencies: ["Training", "Evaluation", "Features", "Weights", "Engine", "Storage", "Vision", "Models", "Runtime", "Program"],
            exclude: ["README.md"]),
        .target(
            name: "Proofs",
            dependencies: ["Training", "Evaluation", "Features", "Weights", "Engine", "Storage", "Vision", "Models", "Runtime", "Compiler", "Graph", "Program"],
            exclude: ["README.md"]),
        .target(name: "Terminal", exclude: ["README.md"]),
        .executableTarget(name: "curricle", dependencies: [
            "Terminal", "Proofs", "Reports", "Training", "Evaluation", "Features", "Weights", "Engine", "Storage",
            "Vision", "Models", "Runtime", "Graph",
        ]),

        .target(name: "Reference", dependencies: ["Graph"], exclude: ["README.md"]),
        .target(name: "TestSupport", dependencies: ["Graph", "Reference", "Compiler", "Program", "Runtime", "Randomness"], path: "Tests/TestSupport"),
        .target(name: "RunSupport", dependencies: ["Training", "Features", "Engine", "Models", "Graph", "Vision"], path: "Tests/RunSupport"),
        .testTarget(name: "RandomnessTests", dependencies: ["Randomness"]),
        .testTarget(name: "GraphTests", dependencies: ["Graph", "Reference", "Compiler", "TestSupport"]),
        .testTarget(name: "CompilerTests", dependencies: ["Compiler", "Graph", "Program", "Models", "TestSupport"]),
        .testTarget(name: "RuntimeTests", dependencies: ["Runtime", "Compiler", "Graph", "Program", "Models", "TestSupport", "CSupport"]),
        .testTarget(name: "VisionTests", dependencies: ["Vision", "Randomness"], exclude: ["Fixtures"]),
        .testTarget(name: "ModelsTests", dependencies: ["Models", "Graph"]),
        .testTarget(name: "StorageTests", dependencies: ["Storage", "TestSupport"]),
        .testTarget(name: "EngineTests", dependencies: ["Engine", "Runtime", "TestSupport"]),
        .testTarget(name: "WeightsTests", dependencies: ["Features", "Weights", "Engine", "Storage", "Models", "Runtime", "Vision", "TestSupport"]),
        .testTarget(
            name: "FeaturesTests",
            dependencies: ["Features", "Weights", "Engine", "Storage", "Compiler", "Graph", "Models", "Runtime", "Vision", "TestSupport"]),
        .testTarget(name: "EvaluationTests", dependencies: ["Evaluation", "Features", "TestSupport"]),
        .testTarget(
            name: "TrainingTests",
            dependencies: [
                "Training", "Proofs", "Features", "Weights", "Engine", "Storage", "Compiler", "Graph", "Program", "Models", "Runtime", "Vision",
                "TestSupport", "RunSupport",
            ]),
        .testTarget(
            name: "ReportsTests",
            dependencies: ["Reports", "Training", "Evaluation", "Features", "Engine", "Graph", "Models", "Runtime", "Vision", "TestSupport", "RunSupport"]),
        .testTarget(name: "ProofsTests", dependencies: ["Proofs", "Training", "Engine", "Storage", "Models", "Runtime", "TestSupport"]),
        .testTarget(name: "TerminalTests", dependencies: ["Terminal"]),
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
