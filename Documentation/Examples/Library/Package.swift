// swift-tools-version: 6.1
import PackageDescription

let package = Package(
    name: "Alike",
    dependencies: [
        .package(name: "DomainFusion", path: "../../..")
    ],
    targets: [
        .executableTarget(name: "alike", dependencies: [.product(name: "DomainFusion", package: "DomainFusion")])
    ],
    swiftLanguageModes: [.v6]
)
