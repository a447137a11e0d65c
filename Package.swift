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
            linkerSettings: [.linkedLibrary("omp5"), .linkedLibrary("openblas"), .linkedLibrary("m")]),
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
        .target(name: "Learning", dependencies: ["Graph", "Tensors", "Program", "Compiler", "Runtime", "Vision", "Models", "Randomness", "Settings", "CSupport", "CZip"], exclude: ["README.md"]),
        .target(name: "Terminal", dependencies: ["Settings"], exclude: ["README.md"]),
        .executableTarget(name: "curricle", dependencies: ["Tensors", "Terminal", "Learning", "Vision", "Models", "Runtime", "Compiler", "Graph", "Program", "Settings"]),

        .target(name: "Reference", dependencies: ["Graph", "Tensors"], exclude: ["README.md"]),
        .target(name: "TestSupport", dependencies: ["Tensors", "Graph", "Reference", "Compiler", "Program", "Runtime", "Randomness"], path: "Tests/TestSupport"),
        .testTarget(name: "RandomnessTests", dependencies: ["Randomness"]),
        .testTarget(name: "GraphTests", dependencies: ["Tensors", "Program", "Runtime", "Graph", "Reference", "Compiler", "TestSupport"]),
        .testTarget(name: "CompilerTests", dependencies: ["Tensors", "Compiler", "Graph", "Program", "Models", "TestSupport"]),
        .testTarget(name: "RuntimeTests", dependencies: ["Tensors", "Runtime", "Compiler", "Graph", "Program", "Models", "TestSupport", "CSupport"]),
        .testTarget(name: "VisionTests", dependencies: ["Vision", "Randomness"], exclude: ["Fixtures"]),
        .testTarget(name: "ModelsTests", dependencies: ["Tensors", "Models", "Graph", "Compiler", "Reference", "TestSupport"]),
        .testTarget(name: "LearningTests", dependencies: ["Tensors", "Learning", "Settings", "Models", "Vision", "TestSupport"], exclude: ["Fixtures"]),
        .testTarget(name: "TerminalTests", dependencies: ["Terminal", "Settings"]),
        .testTarget(name: "CommandTests", dependencies: ["Vision"]),
    ],
    swiftLanguageModes: [.v6]
)

// The fuzzers need the sanitizers' main and so are no part of an ordinary build: tools/fuzz.sh.
if Context.environment["CURRICLE_FUZZ"] != nil {
    package.targets.append(.executableTarget(
        name: "Fuzz", dependencies: ["Learning", "Terminal", "Vision"], path: "Tests/Fuzz", exclude: ["Corpus"]))
}
