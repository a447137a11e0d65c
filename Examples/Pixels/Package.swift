// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "PixelFeatures",
    dependencies: [.package(name: "Curricle", path: "../..")],
    targets: [
        .executableTarget(name: "PixelFeatures", dependencies: [.product(name: "Curricle", package: "Curricle")])
    ])
