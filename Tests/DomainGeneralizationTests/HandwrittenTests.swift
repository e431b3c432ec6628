import Crypto
import Foundation
import TestSupport
import Testing

@testable import DomainGeneralization

/// Environments equal those that DomainBed's construction makes with PyTorch and Pillow (scripts/fixtures/handwritten.py).
struct HandwrittenTests {
    struct Expected: Decodable {
        struct Environment: Decodable {
            let pixels: String
            let labels: [Int]
        }
        let seed: Int
        let rotated: [Environment]
        let colored: [Environment]
    }

    let source: String
    let expected: Expected

    init() throws {
        source = try #require(Bundle.module.path(forResource: "Fixtures/handwritten", ofType: nil))
        let data = try #require(FileManager.default.contents(atPath: "\(source)/handwritten.json"))
        expected = try JSONDecoder().decode(Expected.self, from: data)
    }

    @Test(arguments: [HandwrittenBenchmark.rotatedFashionMNIST, .coloredMNIST])
    func drawsWhatDomainBedDraws(_ benchmark: HandwrittenBenchmark) throws {
        let names = [
            "train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz",
            "t10k-labels-idx1-ubyte",
        ]
        let domains = try benchmark.draw(names.map { "\(source)/\($0)" }, seed: expected.seed, limit: 0)
        let wanted = benchmark.isColored ? expected.colored : expected.rotated
        #expect(domains.count == wanted.count)
        for (domain, environment) in zip(domains, wanted) {
            #expect(domain.map(\.label) == environment.labels)
            let digest = Insecure.MD5.hash(data: Data(domain.flatMap(\.image.pixels)))
            #expect(digest.map { String(format: "%02x", $0) }.joined() == environment.pixels)
        }
    }

    @Test func writesADataset() throws {
        let folder = try TemporaryFolder()
        let benchmark = HandwrittenBenchmark.coloredMNIST
        let path = try benchmark.prepare(into: folder.path, source: source, seed: expected.seed, threads: 2)
        let dataset = try ImageFolder(path)
        #expect(dataset.datasetName == "ColoredMNIST")
        #expect(dataset.environments == ["0_plus90", "1_plus80", "2_minus90"])
        #expect(dataset.environments == KnownDataset.named("ColoredMNIST")?.domains)
        #expect(dataset.items.count == 64)
        let labels = dataset.items.filter { $0.environment == 1 }.sorted { $0.name < $1.name }.map(\.label)
        #expect(labels == expected.colored[1].labels)

        // Made again only with other settings.
        let marker = "\(path)/0_plus90/marker"
        try Data().write(to: URL(fileURLWithPath: marker))
        _ = try benchmark.prepare(into: folder.path, source: source, seed: expected.seed, threads: 2)
        #expect(FileManager.default.fileExists(atPath: marker))
        _ = try benchmark.prepare(into: folder.path, source: source, seed: expected.seed, limit: 3, threads: 2)
        #expect(try ImageFolder(path).items.count == 9)
    }

    @Test func refusesWhatIsNoIdxFile() throws {
        let folder = try TemporaryFolder()
        func failure() -> String {
            do {
                _ = try HandwrittenBenchmark.rotatedMNIST.prepare(into: folder.path, source: "\(folder.path)/in")
                return "no failure"
            } catch { return "\(error)" }
        }
        try FileManager.default.createDirectory(atPath: "\(folder.path)/in", withIntermediateDirectories: true)
        #expect(failure().contains("in/train-images-idx3-ubyte.gz: no such file"))
        for name in try FileManager.default.contentsOfDirectory(atPath: source) {
            try FileManager.default.copyItem(atPath: "\(source)/\(name)", toPath: "\(folder.path)/in/\(name)")
        }
        let images = URL(fileURLWithPath: "\(folder.path)/in/train-images-idx3-ubyte.gz")
        let whole = try Data(contentsOf: images)
        try whole.dropLast(whole.count / 2).write(to: images)
        #expect(failure().contains("train-images-idx3-ubyte.gz: cut off"))
        try Data("text, and more text".utf8).write(to: images)
        #expect(failure().contains("train-images-idx3-ubyte.gz: no idx file"))
        try Data(contentsOf: URL(fileURLWithPath: "\(folder.path)/in/train-labels-idx1-ubyte.gz")).write(to: images)
        #expect(failure().contains("no 28×28 images with a label each"))
        // Headers that ask for more than the format has, or than comes.
        for (size, reason) in [
            ([0x40, 0, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28], "are not those of MNIST's format"),
            ([1, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0], "are not those of MNIST's format"),
            ([0, 0x10, 0, 0, 0, 0, 0, 28, 0, 0, 0, 28], "cut off"),
        ] as [([UInt8], String)] {
            try Data([0, 0, 8, 3] + size).write(to: images)
            #expect(failure().contains(reason))
        }
    }
}
