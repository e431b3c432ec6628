import Foundation
import Foundations
import Pixels
import Testing
import Torch

@testable import DomainFusion

/// The sample-adaptive rule on logits, against scripts/fixtures/shift_inversion.py.
@Suite struct AdaptiveTranslationTests {
    /// Gives image i the colour (i, level, domain + 1), of which the logits are looked up; (i, 0, 0) is the image as it is.
    private struct Numbered: SourceTranslator {
        let domains = ["a", "b"]
        let noise: [Double]
        let asked: Asked

        final class Asked { var images: [[Int]] = [] }

        func translations(
            of images: [RGBImage], towards domain: String, noise level: Double, ledger: inout Ledger,
            poll: () throws -> Void
        ) throws -> [RGBImage] {
            try poll()
            asked.images.append(images.map { Int($0[0, 0].red) })
            let place = UInt8(noise.firstIndex(of: level) ?? 9)
            return images.map { image in
                RGBImage(width: 1, height: 1, fill: RGB(image[0, 0].red, place, domain == "a" ? 1 : 2))
            }
        }
    }

    private let clean: [[Double]], translated: [[[[Double]]]]
    private let reference: StateDict

    init() throws {
        reference = try StateDict(safetensors: fixture("shift_inversion.safetensors"))
        let logits = try #require(reference["clean"]), others = try #require(reference["translated"])
        clean = (0..<12).map { logits[$0].scalars(Double.self) }
        translated = (0..<12).map { image in
            (0..<3).map { level in (0..<2).map { others[image][level][$0].scalars(Double.self) } }
        }
    }

    private func classify(_ images: [RGBImage]) -> [[Double]] {
        images.map { image in
            let (number, level, domain) = (Int(image[0, 0].red), Int(image[0, 0].green), Int(image[0, 0].blue))
            return domain == 0 ? clean[number] : translated[number][level][domain - 1]
        }
    }

    private let images = (0..<12).map { RGBImage(width: 1, height: 1, fill: RGB(UInt8($0), 0, 0)) }

    @Test(arguments: [0.6, 0.75])
    func acceptsTheLeastNoiseThatIsSure(_ threshold: Double) throws {
        let noise = [0.2, 0.5, 0.9]
        let asked = Numbered.Asked()
        let adaptive = AdaptiveTranslation(Numbered(noise: noise, asked: asked), noise: noise)
        var ledger = Ledger()
        let traces = try adaptive.traces(of: images, until: threshold, classify: classify, ledger: &ledger)
        let levels = try #require(reference["levels.\(threshold)"]).scalars(Int.self)
        let logits = try #require(reference["logits.\(threshold)"])
        for (index, trace) in traces.enumerated() {
            let found = trace.prediction(threshold: threshold)
            #expect(found.level ?? -1 == levels[index], "image \(index)")
            let wanted = logits[index].scalars(Double.self)
            #expect(zip(found.logits, wanted).allSatisfy { abs($0 - $1) < 1e-12 }, "image \(index)")
        }
        // Only those that are not sure yet are asked about again.
        let first = levels.indices.filter { levels[$0] != 0 }, second = first.filter { levels[$0] != 1 }
        let everyone = Array(levels.indices)
        #expect(asked.images == [everyone, everyone, first, first, second, second])
        #expect(adaptive.translations(traces) == 2 * (12 + first.count + second.count))
        #expect(ledger.seconds["classification"] != nil)
    }

    /// The traces up to the largest threshold have the predictions of the smaller ones.
    @Test func oneTraceServesAllThresholds() throws {
        let noise = [0.2, 0.5, 0.9]
        let adaptive = AdaptiveTranslation(Numbered(noise: noise, asked: .init()), noise: noise)
        var ledger = Ledger()
        let traces = try adaptive.traces(of: images, until: 0.75, classify: classify, ledger: &ledger)
        let levels = try #require(reference["levels.0.6"]).scalars(Int.self)
        #expect(traces.map { $0.prediction(threshold: 0.6).level ?? -1 } == levels)
    }

    /// Level 0 is the image as it is: one that is sure at once is not translated.
    @Test func whatIsSureStaysAsItIs() throws {
        let noise = [0, 0.2]
        let asked = Numbered.Asked()
        // The place of a level in the list is one more than in the table.
        let adaptive = AdaptiveTranslation(Numbered(noise: [0.2], asked: asked), noise: noise)
        var ledger = Ledger()
        let traces = try adaptive.traces(of: images, until: 0.6, classify: classify, ledger: &ledger)
        let sure = traces.indices.filter { traces[$0].prediction(threshold: 0.6).level == 0 }
        #expect(!sure.isEmpty && sure.count < 12)
        #expect(sure.allSatisfy { traces[$0].averaged == [clean[$0]] })
        #expect(asked.images[0] == traces.indices.filter { !sure.contains($0) })
        #expect(adaptive.translations(traces) == 2 * (12 - sure.count))
    }

    @Test func aSignalEndsTheWork() throws {
        let adaptive = AdaptiveTranslation(Numbered(noise: [0.2], asked: .init()), noise: [0.2])
        var ledger = Ledger()
        #expect(throws: Interruption.self) {
            _ = try adaptive.traces(
                of: images, until: 0.9, classify: classify, ledger: &ledger,
                poll: { throw Interruption(signal: SIGTERM) })
        }
    }
}
