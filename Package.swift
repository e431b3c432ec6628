// swift-tools-version: 6.1
import Foundation
import PackageDescription

// libtorch: $LIBTORCH (a libtorch folder or a site-packages/torch), otherwise .libtorch/ as scripts/bootstrap lays it.
let root = Context.packageDirectory
let libtorch = Context.environment["LIBTORCH"] ?? "\(root)/.libtorch"
let hasHeaders = FileManager.default.fileExists(atPath: "\(libtorch)/include/ATen/ATen.h")
if !hasHeaders {
    FileHandle.standardError.write(
        Data(
            "error: no libtorch at \(libtorch); run scripts/bootstrap, or set LIBTORCH to a folder with include/ and lib/\n"
                .utf8))
}
let hasCUDA = FileManager.default.fileExists(atPath: "\(libtorch)/lib/libtorch_cuda.so")
let torchHeaders: [CXXSetting] = [
    // As libtorch itself is built: its headers check and trace every operator call otherwise.
    .define("NDEBUG"),
    .unsafeFlags([
        "-I\(libtorch)/include", "-I\(libtorch)/include/torch/csrc/api/include", "-std=c++20", "-O2", "-w",
    ]),
]
let torchLibraries: [LinkerSetting] = [
    .unsafeFlags(
        ["-L\(libtorch)/lib", "-Xlinker", "-rpath", "-Xlinker", "\(libtorch)/lib"]
            // Nothing refers to libtorch_cuda's symbols: without this the linker drops it and no GPU is ever found.
            + (hasCUDA ? ["-Xlinker", "--no-as-needed", "-ltorch_cuda", "-lc10_cuda", "-Xlinker", "--as-needed"] : [])),
    .linkedLibrary("torch"), .linkedLibrary("torch_cpu"), .linkedLibrary("c10"),
]

/// The include folders of a system library, from its pkg-config file: its other flags are not for SwiftPM.
func headers(_ library: String) -> [CSetting] {
    let output = Pipe()
    let program = Process()
    program.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    program.arguments = ["pkg-config", "--cflags-only-I", library]
    program.standardOutput = output
    program.standardError = FileHandle.nullDevice
    try? program.run()
    let flags = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    program.waitUntilExit()
    if program.terminationStatus != 0 {
        FileHandle.standardError.write(Data("error: pkg-config finds no \(library); run scripts/bootstrap\n".utf8))
    }
    // As system headers, whose warnings are not ours.
    return [
        .unsafeFlags(flags.split(whereSeparator: \.isWhitespace).flatMap { ["-isystem", String($0.dropFirst(2))] })
    ]
}

let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let yams = Target.Dependency.product(name: "Yams", package: "Yams")
let hummingbird = Target.Dependency.product(name: "Hummingbird", package: "hummingbird")
let metrics = Target.Dependency.product(name: "Metrics", package: "swift-metrics")

/// A test target that mirrors Sources/<name>, with its fixtures.
func tests(_ name: String, _ dependencies: [Target.Dependency] = []) -> [Target] {
    let path = "Tests/\(name)Tests"
    guard FileManager.default.fileExists(atPath: "\(root)/\(path)") else { return [] }
    let hasFixtures = FileManager.default.fileExists(atPath: "\(root)/\(path)/Fixtures")
    return [
        .testTarget(
            name: "\(name)Tests", dependencies: ["TestSupport", .init(stringLiteral: name)] + dependencies, path: path,
            resources: hasFixtures ? [.copy("Fixtures")] : [])
    ]
}

let package = Package(
    name: "DomainFusion",
    products: [
        .library(name: "Torch", targets: ["Torch"]),
        .library(name: "Diffusion", targets: ["Diffusion"]),
        .library(name: "Hub", targets: ["Hub"]),
        .library(
            name: "DomainFusion",
            targets: [
                "Foundations", "Torch", "Pixels", "ONNX", "Backbones", "Diffusion", "Hub", "DomainGeneralization",
                "EmojiDG", "DomainFusion", "LDMTraining", "Experiments", "Serving", "Studio",
            ]),
        .executable(name: "domainfusion", targets: ["DomainFusionCLI"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "3.12.3"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.35.2"),
        // Without its traits: what they bring is not used, and takes longer to build.
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    ],
    // From the ground up: a target depends only on targets above it, and on all that its files import.
    targets: [
        .target(name: "CProcess"),
        .target(name: "Foundations", dependencies: ["CProcess", crypto]),

        .target(name: "CKernels", cxxSettings: torchHeaders, linkerSettings: torchLibraries),
        .target(name: "CTorch", cxxSettings: torchHeaders, linkerSettings: torchLibraries),
        .target(name: "Torch", dependencies: ["Foundations", "CKernels", "CTorch"]),

        .systemLibrary(name: "CZlib", pkgConfig: "zlib"),
        .systemLibrary(name: "CImageCodecs", path: "Sources/CImageCodecs"),
        .target(
            name: "CRsvg", cSettings: headers("librsvg-2.0"),
            linkerSettings: ["rsvg-2", "cairo", "gobject-2.0", "glib-2.0"].map { .linkedLibrary($0) }),
        .target(name: "Pixels", dependencies: ["Foundations", "CZlib", "CImageCodecs", "CRsvg"]),

        .target(name: "ONNX", dependencies: ["Foundations", "Torch"]),
        .target(name: "Backbones", dependencies: ["Foundations", "Torch"]),
        .target(name: "Diffusion", dependencies: ["Foundations", "Torch"]),
        .target(name: "CCurl", cSettings: headers("libcurl"), linkerSettings: [.linkedLibrary("curl")]),
        .target(name: "Hub", dependencies: ["Foundations", "Diffusion", "CCurl", crypto]),

        .target(
            name: "DomainGeneralization",
            dependencies: ["Foundations", "Torch", "CZlib", "Pixels", "Backbones", crypto, logging]),
        .target(name: "CGlyphs", cSettings: headers("freetype2"), linkerSettings: [.linkedLibrary("freetype")]),
        .target(name: "EmojiDG", dependencies: ["Foundations", "Pixels", "CGlyphs"]),
        .target(
            name: "DomainFusion",
            dependencies: [
                "Foundations", "Torch", "Pixels", "Backbones", "Diffusion", "DomainGeneralization", logging,
            ]),
        .target(
            name: "LDMTraining",
            dependencies: [
                "Foundations", "Torch", "Pixels", "Backbones", "Diffusion", "DomainGeneralization", "EmojiDG",
                "DomainFusion",
            ]),
        .target(
            name: "Experiments",
            dependencies: [
                "CProcess", "Foundations", "Torch", "Pixels", "ONNX", "Backbones", "Diffusion", "Hub",
                "DomainGeneralization", "EmojiDG", "DomainFusion", yams, logging,
            ]),
        .target(
            name: "Serving",
            dependencies: [
                "Foundations", "Pixels", "Experiments", hummingbird, metrics, logging,
                .product(name: "NIOCore", package: "swift-nio"), .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
            ]),
        .target(
            name: "Studio",
            dependencies: [
                "Foundations", "Torch", "Pixels", "Diffusion", "DomainGeneralization", "DomainFusion", "Experiments",
                "Serving", hummingbird, .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        // In executables alone: the linker refuses it in libraries.
        .target(name: "CStartup"),
        .executableTarget(
            name: "DomainFusionCLI",
            dependencies: [
                "CStartup", "Foundations", "Torch", "Pixels", "Backbones", "Diffusion", "Hub", "DomainGeneralization",
                "EmojiDG", "DomainFusion", "LDMTraining", "Experiments", "Serving", "Studio", logging,
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
        .executableTarget(
            name: "Benchmarks",
            dependencies: [
                "Foundations", "Torch", "Pixels", "Backbones", "Diffusion", "DomainGeneralization", "DomainFusion",
                "Experiments", logging,
            ], path: "Benchmarks",
            exclude: [
                "README.md", "compare", "domainnet-size", "parity", "random_model.py", "reference.py", "results",
                "serving", "serving_reference.py",
            ]),
        .target(name: "TestSupport", dependencies: ["Foundations", "Pixels"], path: "Tests/TestSupport"),
    ]
        + tests("Foundations")
        + tests("Torch", ["Foundations"])
        + tests("Pixels", ["Foundations"])
        + tests("ONNX", ["Foundations", "Torch", "Backbones"])
        + tests("Backbones", ["Foundations", "Torch"])
        + tests("Diffusion", ["Foundations", "Torch"])
        + tests("Hub", ["Diffusion", crypto])
        + tests("DomainGeneralization", ["Foundations", "Torch", "Pixels", "Backbones", crypto, logging])
        + tests("EmojiDG", ["Foundations", "Pixels", crypto])
        + tests(
            "DomainFusion",
            ["Foundations", "Torch", "Pixels", "Backbones", "Diffusion", "DomainGeneralization", logging])
        + tests("LDMTraining", ["Foundations", "Torch", "Pixels", "Diffusion", "DomainGeneralization"])
        + tests(
            "Experiments",
            ["Foundations", "Torch", "Pixels", "Backbones", "Diffusion", "DomainGeneralization", "DomainFusion"])
        + tests("Serving", ["Foundations", metrics])
        + tests("Studio", ["Foundations", "Pixels", "DomainFusion", "Experiments"])
        + tests(
            "DomainFusionCLI",
            [
                "Foundations", "Torch", "Pixels", "DomainGeneralization", "DomainFusion",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ]),
    swiftLanguageModes: [.v6],
    cxxLanguageStandard: .cxx20
)
