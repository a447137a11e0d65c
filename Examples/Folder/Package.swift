// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "FolderFeatures",
    dependencies: [.package(name: "Curricle", path: "../..")],
    targets: [
        .executableTarget(name: "FolderFeatures", dependencies: [.product(name: "Curricle", package: "Curricle")])
    ])
