import Foundation
import Foundations
import Pixels

/// Predictions by an image and its translations towards the source domains, whose logits are averaged: as little noise as makes the
/// prediction sure (DSI's sample-adaptive rule; Yu and others, CVPR 2023).
public struct AdaptiveTranslation {
    /// What was found out about an image: all that thresholds are applied to.
    public struct Trace: Sendable, Equatable {
        /// Logits of the image as it is.
        public let clean: [Double]
        /// The mean logits of the image and its translations at each level that was tried, least noise first.
        public fileprivate(set) var averaged: [[Double]]

        /// Logits at the levels that were tried.
        public init(clean: [Double], averaged: [[Double]] = []) {
            self.clean = clean
            self.averaged = averaged
        }

        /// The first level whose largest probability is above a threshold, with its logits; those of the image as it is where none
        /// is.
        public func prediction(threshold: Double) -> (level: Int?, logits: [Double]) {
            guard let level = averaged.firstIndex(where: { largestProbability($0) > threshold }) else {
                return (nil, clean)
            }
            return (level, averaged[level])
        }
    }

    /// What moves images towards the source domains.
    public let translator: any SourceTranslator
    /// Levels of noise in rising order; 0 is the image as it is.
    public let noise: [Double]

    /// Predictions by a translator's images.
    public init(_ translator: any SourceTranslator, noise: [Double]) {
        self.translator = translator
        self.noise = noise
    }

    /// Translations that traces are made of.
    public func translations(_ traces: [Trace]) -> Int {
        traces.reduce(0) { $0 + noise.prefix($1.averaged.count).count { $0 > 0 } * translator.domains.count }
    }

    /// The traces of images, level by level, each up to the first that passes the threshold.
    /// - Parameters:
    ///   - threshold: the largest one that is to be applied.
    ///   - classify: logits of images of any size, in the classes' order.
    ///   - ledger: counts the work that is done.
    ///   - report: told what comes next: so many images are moved towards a domain.
    ///   - poll: called between batches; what it throws ends the work.
    /// - Throws: what the translator and `classify` throw.
    public func traces(
        of images: [RGBImage], until threshold: Double, classify: ([RGBImage]) throws -> [[Double]],
        ledger: inout Ledger, report: (_ images: Int, _ noise: Double, _ domain: String) -> Void = { _, _, _ in },
        poll: () throws -> Void = {}
    ) throws -> [Trace] {
        func logits(_ images: [RGBImage], _ ledger: inout Ledger) throws -> [[Double]] {
            try ledger.time("classification") { _ in try classify(images) }
        }
        var traces = try logits(images, &ledger).map { Trace(clean: $0) }
        var pending = Array(images.indices)
        for level in noise where !pending.isEmpty {
            var sums = pending.map { traces[$0].clean }
            let domains = level > 0 ? translator.domains : []
            for domain in domains {
                report(pending.count, level, domain)
                let made = try translator.translations(
                    of: pending.map { images[$0] }, towards: domain, noise: level, ledger: &ledger, poll: poll)
                for (place, found) in try logits(made, &ledger).enumerated() {
                    sums[place] = zip(sums[place], found).map(+)
                }
            }
            for (place, index) in pending.enumerated() {
                traces[index].averaged.append(sums[place].map { $0 / Double(domains.count + 1) })
            }
            pending = pending.filter { traces[$0].prediction(threshold: threshold).level == nil }
        }
        return traces
    }
}

/// The largest of the softmax's probabilities.
private func largestProbability(_ logits: [Double]) -> Double {
    let highest = logits.max() ?? 0
    return 1 / logits.reduce(0) { $0 + exp($1 - highest) }
}
