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
            linkerSettings: [.linkedLibrary("omp5"), .linkedLibrary("openblas"), .linkedLibrary("m")]),
        .systemLibrary(name: "CTurboJPEG", pkgConfig: "libturbojpeg", providers: [.apt(["libturbojpeg0-dev"])]),
        .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
        .systemLibrary(name: "CWebP", pkgConfig: "libwebpdemux", providers: [.apt(["libwebp-dev"])]),
        .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
        .systemLibrary(name: "CZip", pkgConfig: "libzip", providers: [.apt(["libzip-dev"])]),
        .systemLibrary(name: "CArchive", pkgConfig: "libarchive", providers: [.apt(["libarchive-dev"])]),

        .target(name: "Randomness", exclude: ["README.md"]),
        .target(name: "Graph", exclude: ["README.md"]),
        .target(name: "Program", exclude: ["README.md"]),
        .target(name: "Compiler", dependencies: ["Graph", "Program"], exclude: ["README.md"]),
        .target(name: "Runtime", dependencies: ["Program", "CSupport"], exclude: ["README.md"]),
        .target(name: "Vision", dependencies: ["CSupport", "Randomness", "CTurboJPEG", "CPNG", "CWebP", "CZlib", "CArchive"], exclude: ["README.md"]),
        .target(name: "Models", dependencies: ["Graph", "Randomness"], exclude: ["README.md"]),
        .target(name: "Learning", dependencies: ["Graph", "Program", "Compiler", "Runtime", "Vision", "Models", "Randomness", "CSupport", "CZip"], exclude: ["README.md"]),
        .target(name: "Terminal", exclude: ["README.md"]),
        .executableTarget(name: "curricle", dependencies: ["Terminal", "Learning", "Vision", "Models", "Runtime", "Compiler", "Graph", "Program"]),

        .target(name: "Reference", dependencies: ["Graph"], exclude: ["README.md"]),
        .target(name: "TestSupport", dependencies: ["Graph", "Reference", "Compiler", "Program", "Runtime", "Randomness"], path: "Tests/TestSupport"),
        .testTarget(name: "RandomnessTests", dependencies: ["Randomness"]),
        .testTarget(name: "GraphTests", dependencies: ["Graph", "Reference", "Compiler", "TestSupport"]),
        .testTarget(name: "CompilerTests", dependencies: ["Compiler", "Graph", "Program", "Models", "TestSupport"]),
        .testTarget(name: "RuntimeTests", dependencies: ["Runtime", "Compiler", "Graph", "Program", "Models", "TestSupport", "CSupport"]),
        .testTarget(name: "VisionTests", dependencies: ["Vision", "Randomness", "CZlib"], exclude: ["Fixtures"]),
        .testTarget(name: "ModelsTests", dependencies: ["Models", "Graph"]),
        .testTarget(name: "LearningTests", dependencies: ["Learning", "Models", "Vision", "TestSupport"], exclude: ["Fixtures"]),
        .testTarget(name: "TerminalTests", dependencies: ["Terminal"]),
        .testTarget(name: "CommandTests", dependencies: ["Vision"]),
    ],
    swiftLanguageModes: [.v6]
)

// The fuzzers need the sanitizers' main and so are no part of an ordinary build: tools/fuzz.sh.
if Context.environment["CURRICLE_FUZZ"] != nil {
    package.targets.append(.executableTarget(
        name: "Fuzz", dependencies: ["Learning", "Terminal", "Vision"], path: "Tests/Fuzz", exclude: ["Corpus"]))
}
