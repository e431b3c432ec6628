// swift-tools-version: 6.1
import PackageDescription

// A package of its own over DomainFusion: copy it, and give the path of your checkout.
let package = Package(
    name: "Library",
    dependencies: [.package(name: "DomainFusion", path: "../../..")],
    targets: [
        .executableTarget(
            name: "features",
            dependencies: [
                .product(name: "Torch", package: "DomainFusion"),
                .product(name: "DomainFusion", package: "DomainFusion"),
            ])
    ],
    swiftLanguageModes: [.v6]
)
