import DomainGeneralization
import Foundation
import Foundations
import Pixels
import TestSupport
import Testing

@testable import DomainFusion

struct GeneratedSelectionTests {
    private let folder: TemporaryFolder
    private let dataset: ImageFolder
    private let source: GeneratedImages

    init() throws {
        folder = try TemporaryFolder()
        dataset = try ImageFolder(folder.makeDataset(count: 5))
        var settings = DomainPairSettings()
        settings.copies = 24
        _ = try OfflineGeneration(
            DomainPairPlan(settings, dataset: dataset),
            makers: GenerationMakers(
                ImageMaker(generator: Painter<TextOrder>(), store: ContentStore(folder.path("s")), batchSize: 16)),
            folder: folder.path("fds")
        ).run()
        source = try GeneratedImages(folder.path("fds"))
    }

    /// Two probabilities by the first pixel alone: the tests can tell them from the file.
    private static func probabilities(_ image: RGBImage) -> [Double] {
        let dog = Double(image.pixels[0]) / 255
        return [1 - dog, dog]
    }

    private func judge(
        classes: [String] = ["cat", "dog"], heldOut: [String] = ["c"], fingerprint: String = "judge"
    ) -> GeneratedJudge {
        GeneratedJudge(fingerprint: fingerprint, classes: classes, heldOut: heldOut) { $0.map(Self.probabilities) }
    }

    private func selection(
        _ name: String, _ change: (inout SelectionSettings) -> Void, judge: GeneratedJudge? = nil,
        of other: GeneratedImages? = nil, data: String? = nil
    ) throws -> GeneratedSelection {
        var settings = SelectionSettings()
        change(&settings)
        return try GeneratedSelection(
            settings, of: other ?? source, judge: judge, data: data, folder: folder.path(name))
    }

    private func pixels(_ name: String, _ image: GeneratedImage) throws -> RGBImage {
        try ImageFile.decode(folder.path("\(name)/\(image.path)"))
    }

    /// FDS: of each class and pair those of the highest entropy that are classified rightly.
    @Test func keepsTheHardestOfThoseThatAreRight() throws {
        let report = try selection(
            "hard",
            {
                $0.correct = true
                $0.keep = 5
            }, judge: judge()
        ).run()
        let kept = try GeneratedImages(folder.path("hard"))
        #expect(report.images == 144 && report.kept == 30 && kept.images.count == 30)
        #expect(report.wrong + report.surplus + 30 == 144 && report.copies == 0 && report.unsure == 0)
        for pair in [["a", "b"], ["a", "c"], ["b", "c"]] {
            for (label, name) in ["cat", "dog"].enumerated() {
                let all = source.images.filter { [$0.domain, $0.target] == pair && $0.className == name }
                let right: [(entropy: Double, path: String)] = try all.compactMap { image in
                    let row = Self.probabilities(try pixels("fds", image))
                    guard row[label] > row[1 - label] else { return nil }
                    return (-row.filter { $0 > 0 }.reduce(0) { $0 + $1 * log($1) }, image.path)
                }
                let expected = Set(right.sorted { $0.entropy > $1.entropy }.prefix(5).map(\.path))
                let own = kept.images.filter { [$0.domain, $0.target] == pair && $0.className == name }
                #expect(Set(own.map(\.path)) == expected)
                for image in own {
                    let row = Self.probabilities(try pixels("hard", image))
                    #expect(abs((image.confidence ?? 0) - row[label]) < 1e-12)
                    #expect(image.entropy ?? 0 > 0 && image.entropy ?? 1 <= log(2) + 1e-9)
                }
            }
        }
        // In the order of the plan, with all that was known of them; and no room is taken twice.
        let places = kept.images.compactMap { image in source.images.firstIndex { $0.path == image.path } }
        #expect(places == places.sorted() && places.count == 30)
        let links = try FileManager.default.attributesOfItem(atPath: folder.path("hard/\(kept.images[0].path)"))
        #expect((links[.referenceCount] as? Int) == 3)
    }

    @Test func confidenceShareAndRandomOrder() throws {
        let sure = try selection("sure", { $0.confidence = 0.8 }, judge: judge()).run()
        let images = try GeneratedImages(folder.path("sure")).images
        #expect(images.allSatisfy { $0.confidence ?? 0 >= 0.8 } && sure.unsure == 144 - images.count)
        let label = ["cat": 0, "dog": 1]
        let expected = try source.images.filter {
            Self.probabilities(try pixels("fds", $0))[label[$0.className] ?? 0] >= 0.8
        }
        #expect(images.map(\.path) == expected.map(\.path))

        // The control takes as many without asking a judge.
        let some = try selection(
            "some",
            {
                $0.share = 0.11
                $0.order = .random
            }
        ).run()
        #expect(some.kept == 6 * 3 && some.surplus == 126)
        _ = try selection(
            "again",
            {
                $0.share = 0.11
                $0.order = .random
            }
        ).run()
        _ = try selection(
            "other",
            {
                $0.share = 0.11
                $0.order = .random
                $0.seed = 1
            }
        ).run()
        let chosen = try ["some", "again", "other"].map { try GeneratedImages(folder.path($0)).images.map(\.path) }
        #expect(chosen[0] == chosen[1] && chosen[0] != chosen[2])
    }

    /// Copies of each other, and images that are nearly their source.
    @Test func dropsCopiesAndUnchangedImages() throws {
        var settings = CrossDomainSettings()
        settings.prompt = "a {class}"
        let plan = try CrossDomainPlan(settings, dataset: dataset, domains: ["a", "b"])
        _ = try OfflineGeneration(
            plan,
            makers: GenerationMakers(
                CandidateMaker(generator: Restyler(), store: ContentStore(folder.path("s")), batchSize: 16)),
            folder: folder.path("cdga")
        ).run()
        // One image is what another is, and one its source, but for a pixel.
        var records = try GeneratedImages(folder.path("cdga")).images
        records[5].sha256 = records[4].sha256
        try PNG.write(pixels("cdga", records[4]), to: folder.path("cdga/\(records[5].path)"))
        var near = try ImageFile.decode("\(dataset.root)/\(records[9].source ?? "")").resized(width: 32, height: 32)
        near[0, 0] = RGB(1, 2, 3)
        records[9].sha256 = SHA256Sum.of(near)
        try PNG.write(near, to: folder.path("cdga/\(records[9].path)"))
        try GeneratedImages.write(records, to: folder.path("cdga"))
        let cdga = try GeneratedImages(folder.path("cdga"))
        let report = try selection("changed", { $0.change = 0.01 }, of: cdga, data: dataset.root).run()
        #expect(report.copies == 1 && report.unchanged == 1 && report.kept == records.count - 2)
        let kept = try GeneratedImages(folder.path("changed"))
        #expect(!kept.images.contains { [records[5].path, records[9].path].contains($0.path) })
        // Without a judge nothing is said of held-out domains; a second selection may add one.
        #expect(kept.heldOut == nil)
        _ = try selection("judged", { $0.confidence = 0.1 }, judge: judge(), of: kept).run()
        let judged = try GeneratedImages(folder.path("judged"))
        #expect(judged.heldOut == ["c"])
        _ = try selection("twice", { $0.confidence = 0.2 }, judge: judge(heldOut: ["a"]), of: judged).run()
        #expect(try GeneratedImages(folder.path("twice")).heldOut == [])
    }

    /// The judge must not have seen what a run holds out.
    @Test func runsAskWhatTheJudgeHasSeen() throws {
        _ = try selection("hard", { $0.correct = true }, judge: judge(heldOut: ["c", "b"])).run()
        let kept = try GeneratedImages(folder.path("hard"))
        #expect(try !kept.images(of: dataset, training: [0], held: ["c"], includesHeldStyles: false).isEmpty)
        let error = #expect(throws: UserError.self) {
            try kept.images(of: dataset, training: [0], held: ["a", "c"], includesHeldStyles: false)
        }
        #expect(error?.message.contains("its judge has seen a, which this run holds out") == true)
        #expect(error?.message.contains("--test-domain 'a'") == true)
    }

    /// Interrupted and taken up, or by two at once: the same bytes.
    @Test func theBytesDoNotDependOnWhoJudged() throws {
        func content(_ name: String) throws -> [String: Data] {
            try files(in: folder.path(name)).filter { !$0.key.hasPrefix(".pieces") }
        }
        func one(_ name: String) throws -> GeneratedSelection {
            try selection(name, { $0.keep = 3 }, judge: judge())
        }
        _ = try one("whole").run()
        struct Stop: Error {}
        var polls = 0, stops = 0
        while true {
            do {
                _ = try one("parts").run(poll: {
                    polls += 1
                    // Before the second piece, before the third, and while it puts images there.
                    if [2, 5, 15].contains(polls) { throw Stop() }
                })
                break
            } catch is Stop { stops += 1 }
        }
        #expect(stops == 3)
        nonisolated(unsafe) let both = try [one("two"), one("two")]
        _ = try parallelMap(2, threads: 2) { _ = try both[$0].run() }
        let whole = try content("whole")
        // Beside the images: what was chosen by, its report, the manifest, and what all candidates took.
        #expect(whole.count == 18 + 4)
        #expect(try content("parts") == whole && content("two") == whole)
        // Another judge or filter is another selection.
        let judged = #expect(throws: UserError.self) {
            try selection("two", { $0.keep = 3 }, judge: judge(fingerprint: "another"))
        }
        #expect(judged?.message.contains("was selected with another judge (\"judge\" there, \"another\" here)") == true)
        #expect(throws: UserError.self) { try selection("two", { $0.keep = 4 }, judge: judge()) }
    }

    @Test func mistakesAreNamed() throws {
        func refusal(
            _ name: String = "out", _ change: (inout SelectionSettings) -> Void, judge: GeneratedJudge? = nil
        ) -> String? {
            #expect(throws: UserError.self) { _ = try selection(name, change, judge: judge).run() }?.message
        }
        #expect(refusal { $0.correct = true }?.contains("need a judge") == true)
        #expect(refusal { $0.keep = 3 }?.contains("need a judge") == true)
        #expect(refusal { $0.change = 0.1 }?.contains("name it with --data") == true)
        #expect(refusal { $0.share = 0 }?.contains("share") == true)
        #expect(refusal { $0.confidence = .nan }?.contains("confidence") == true)
        #expect(refusal("fds") { _ in }?.contains("holds generated images; choose another folder") == true)
        let cats = refusal("out", { $0.correct = true }, judge: judge(classes: ["cat", "cow"]))
        #expect(cats?.contains("the judge does not know the class 'dog' (it knows cat, cow)") == true)
        let even = GeneratedJudge(fingerprint: "even", classes: ["cat", "dog"], heldOut: []) {
            $0.map { _ in [0.5, 0.5] }
        }
        let nothing = refusal("out", { $0.confidence = 1 }, judge: even)
        #expect(nothing?.contains("none of its 144 images is left") == true, "\(nothing ?? "")")
        // It has no manifest then, and says so.
        let half = #expect(throws: UserError.self) { try GeneratedImages(folder.path("out")) }
        #expect(half?.message.contains("run 'domainfusion generate select' to its end") == true)
        try PNG.write(RGBImage(width: 32, height: 32, fill: .white), to: folder.path("fds/\(source.images[3].path)"))
        let changed = refusal("new", { $0.correct = true }, judge: judge())
        #expect(changed?.contains("is not the image that was generated") == true)
        // A manifest from elsewhere reaches for nothing outside its folder.
        var records = source.images
        records[0] = GeneratedImage(
            path: "../x.png", className: "cat", domains: ("a", "b"), copy: 0, prompts: ("", ""), weight: 1, guidance: 1,
            seed: 0)
        try GeneratedImages.write(records, to: folder.path("fds"))
        let outside = #expect(throws: UserError.self) { try GeneratedImages(folder.path("fds")) }
        #expect(outside?.message.contains("../x.png is no path inside the folder") == true)
    }
}
