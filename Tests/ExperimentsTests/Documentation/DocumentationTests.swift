import DomainGeneralization
import Foundation
import TestSupport
import Testing
import Torch

@testable import Experiments

/// What the guide shows is what is compiled and run here.
struct DocumentationTests {
    private let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    private var guide: URL {
        folder.deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Documentation/Guide.docc")
    }

    @Test(arguments: [("RiskVariance", "AddAnAlgorithm"), ("ConfidencePenalty", "AddToAnAlgorithm")])
    func theGuidesCodeIsThis(_ file: String, page: String) throws {
        let code = try String(contentsOf: folder.appendingPathComponent("\(file).swift"), encoding: .utf8)
        let article = try String(contentsOf: guide.appendingPathComponent("\(page).md"), encoding: .utf8)
        #expect(article.contains("```swift\n\(code)```\n"))
    }

    /// The entropy of three equal logits is log 3.
    @Test func theGuidesTermIsTheEntropy() throws {
        let images = ClassifiedImages(
            images: .zeros([2, 3, 4, 4]), labels: Tensor([Int64(0), 1]), items: [0, 1], logits: .ones([2, 3]))
        let (loss, metrics) = try ConfidencePenalty(weight: 0.5).loss(images, step: 0)
        #expect(abs(loss.item() + 0.5 * log(3)) < 1e-6)
        #expect(metrics.map(\.name) == ["entropy"])
    }

    /// Every piece of Swift on the page stands in a test, which compiles and runs it.
    @Test(arguments: ["ComingFromPyTorch", "ComingFromDomainBed"])
    func thePagesCodeIsTested(_ page: String) throws {
        let code = try String(contentsOf: folder.appendingPathComponent("\(page)Tests.swift"), encoding: .utf8)
            .split(separator: "\n").map { $0.drop { $0 == " " } }
        let article = try String(contentsOf: guide.appendingPathComponent("\(page).md"), encoding: .utf8)
        let blocks = article.components(separatedBy: "```swift\n").dropFirst()
            .compactMap { $0.components(separatedBy: "```").first }
        #expect(!blocks.isEmpty)
        for block in blocks {
            let lines = block.split(separator: "\n").map { $0.drop { $0 == " " } }
            #expect(code.indices.contains { code[$0...].starts(with: lines) }, "\(page): \(block)")
        }
    }

    @Test func theGuidesAlgorithmTrains() throws {
        let folder = try TemporaryFolder()
        var configuration = RunConfiguration()
        configuration.data = try folder.makeDataset(count: 4)
        configuration.testDomains = ["c"]
        configuration.backbone.weights = "none"
        configuration.imageSize = 32
        configuration.batchSize = 2
        configuration.steps = 2
        configuration.algorithm = .init(name: "riskvariance")
        configuration.algorithm.hyperparameters = .object(["weight": .double(0.5)])
        let run = try TrainingRun(
            configuration, folder: "\(folder.path)/run", registry: .standard + [RiskVariance.description], threads: 1,
            report: { _ in })
        #expect(try run.run().algorithm == "RiskVariance")
        let row = try #require(try run.directory.rows().last)
        #expect(try #require(row["risk_variance"]) > 0)

        configuration.algorithm.hyperparameters = .object(["weight": .double(-1)])
        #expect { try RiskVariance.description.resolved(configuration.algorithm.hyperparameters) } throws: {
            "\($0)" == "algorithm.hyperparameters.weight: -1.0 is below 0"
        }
    }

    /// Every page is reached from the first one, and every file that a page names is there.
    @Test func theGuidesPagesAreLinked() throws {
        let first = try String(contentsOf: guide.appendingPathComponent("Guide.md"), encoding: .utf8)
        let pages = try FileManager.default.contentsOfDirectory(atPath: guide.path).filter { $0.hasSuffix(".md") }
        #expect(pages.count >= 6)
        for page in pages where page != "Guide.md" {
            #expect(first.contains("<doc:\(page.dropLast(3))>"), "\(page)")
        }
        let root = guide.deletingLastPathComponent().deletingLastPathComponent()
        for page in pages {
            let text = try String(contentsOf: guide.appendingPathComponent(page), encoding: .utf8)
            for match in text.matches(of: /`((Sources|Tests|scripts|Models)\/[A-Za-z0-9_\/.+-]+)`/) {
                let file = root.appendingPathComponent(String(match.output.1)).path
                #expect(FileManager.default.fileExists(atPath: file), "\(page): \(match.output.1)")
            }
        }
    }
}
