// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "PretrainingExample",
    dependencies: [.package(name: "Curricle", path: "../..")],
    targets: [
        .executableTarget(name: "Pretrain", dependencies: [
                .product(name: "CurricleTraining", package: "Curricle"), .product(name: "Curricle", package: "Curricle")
            ])
    ])
