import Crypto
import Foundation
import Pixels
import Testing

@testable import EmojiDG

/// Prepares small data sets from the packages that scripts/bootstrap installs.
struct PrepareTests {
    /// Benchmark, unseen and corpus items; one outside the classes; one too new for two vendors; a duplicate in Symbola.
    private static let emojiTest = """
        # subgroup: animal-mammal
        1F981      ; fully-qualified     # 🦁 E1.0 lion
        1F42D      ; fully-qualified     # 🐭 E0.6 mouse face
        1F98A      ; fully-qualified     # 🦊 E3.0 fox
        # subgroup: face-smiling
        1F600      ; fully-qualified     # 😀 E1.0 grinning face
        # subgroup: sky & weather
        2600 FE0F  ; fully-qualified     # ☀️ E0.6 sun
        # subgroup: plant-other
        1FABA      ; fully-qualified     # 🪺 E14.0 nest with eggs
        # subgroup: heart
        2764 FE0F  ; fully-qualified     # ❤️ E0.6 red heart
        1F499      ; fully-qualified     # 💙 E0.6 blue heart
        # subgroup: geometric
        25AA FE0F  ; fully-qualified     # ▪️ E0.6 black small square
        25FC FE0F  ; fully-qualified     # ◼️ E0.6 black medium square
        # subgroup: family
        1FFFD      ; fully-qualified     # ? E99.0 nobody draws this
        """

    /// A new folder with the list above, and the locations that read it.
    private func temporary() throws -> (folder: String, packages: PackageLocations) {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("EmojiDG-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        let list = folder.appendingPathComponent("emoji-test.txt")
        try Self.emojiTest.write(to: list, atomically: true, encoding: .utf8)
        var packages = PackageLocations.standard(packages: Installed.packages)
        packages.emojiTest = list.path
        return (folder.path, packages)
    }

    @Test func drawsBothDataSets() async throws {
        let (folder, packages) = try temporary()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let summary = try await EmojiDG.prepare(into: "\(folder)/data", packages: packages, includeLDMCorpus: true)
        #expect(!summary.wasUpToDate)
        let benchmark = try EmojiRecord.read(from: "\(folder)/data/EmojiDG")
        let corpus = try EmojiRecord.read(from: "\(folder)/data/EmojiLDM")
        #expect(summary.dataSets.map(\.records) == [benchmark, corpus])

        // Every image is where and what its record says, 64×64 with ink.
        for (set, records) in [("EmojiDG", benchmark), ("EmojiLDM", corpus)] {
            for record in records {
                let path = "\(folder)/data/\(set)/\(record.path)"
                let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
                #expect(SHA256.hash(data: bytes).map { String(format: "%02x", $0) }.joined() == record.sha256)
                let image = try ImageFile.decode(path)
                #expect(image.width == 64 && image.height == 64)
                #expect(image.pixels.contains { $0 < 128 })
                #expect(record.version != "unknown" || record.package.hasPrefix("Debian"))
            }
        }

        // The two share neither an item nor an image.
        #expect(Set(benchmark.map(\.item)).isDisjoint(with: corpus.map(\.item)))
        #expect(Set(benchmark.map(\.sha256)).isDisjoint(with: corpus.map(\.sha256)))
        #expect(Set(benchmark.map(\.domain)) == Set(Vendor.benchmark))
        #expect(benchmark.allSatisfy { $0.class != nil && $0.split == .benchmark })
        #expect(Set(benchmark.filter(\.unseen).map(\.item)).contains("1F981"))
        #expect(corpus.contains { $0.class == nil && $0.path == "noto/heart/2764-red-heart.png" })
        let absent = Set(summary.absent)
        #expect(Set(corpus.map(\.domain)) == Set(Vendor.allCases).subtracting(absent))

        // What nobody draws is nowhere; what is the same within a domain is there once.
        #expect(!(benchmark + corpus).contains { $0.item == "1FFFD" })
        let squares = corpus.filter { $0.domain == .emojione && $0.subgroup == "geometric" }
        #expect(squares.map(\.item) == ["25AA"])

        // Colours are in the right order, in bitmaps, SVG and layers alike.
        for record in corpus where record.item == "1F499" || record.item == "2764" {
            guard [.noto, .emojione, .openmoji, .twemoji].contains(record.domain) else { continue }
            let image = try ImageFile.decode("\(folder)/data/EmojiLDM/\(record.path)")
            let centre = image[32, 32]
            #expect((centre.red > centre.blue) == (record.item == "2764"), "\(record.path) \(centre)")
        }
        // Unifont's pixels are black or white.
        let sun = try ImageFile.decode("\(folder)/data/EmojiDG/unifont/nature/2600-sun.png")
        #expect(Set(sun.pixels) == [0, 255])
    }

    @Test func drawsTheSameAgainAndOnlyWhatIsMissing() async throws {
        let (folder, packages) = try temporary()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let data = "\(folder)/data"
        let first = try await EmojiDG.prepare(into: data, packages: packages)
        let records = try #require(first.dataSets.first).records
        #expect(try await EmojiDG.prepare(into: data, packages: packages).wasUpToDate)

        try FileManager.default.removeItem(atPath: "\(data)/EmojiDG/\(records[0].path)")
        let second = try await EmojiDG.prepare(into: data, packages: packages)
        #expect(!second.wasUpToDate && second.dataSets.first?.records == records)
        #expect(FileManager.default.fileExists(atPath: "\(data)/EmojiDG/\(records[0].path)"))
        // Nothing is left beside the data set.
        #expect(try FileManager.default.contentsOfDirectory(atPath: data) == ["EmojiDG"])
        // With the corpus, the benchmark is the same.
        let both = try await EmojiDG.prepare(into: data, packages: packages, includeLDMCorpus: true)
        #expect(both.dataSets.first?.records == records)
    }

    @Test func saysWhatToInstall() async throws {
        var (folder, packages) = try temporary()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        packages.artwork[.symbola] = ["/nowhere/Symbola.ttf"]
        await #expect(throws: EmojiError.missing("/nowhere/Symbola.ttf", package: .debian("fonts-symbola"))) {
            try await EmojiDG.prepare(into: folder, packages: packages)
        }
        #expect(
            EmojiError.missing("/nowhere/Symbola.ttf", package: .debian("fonts-symbola")).description
                == "/nowhere/Symbola.ttf: no such file; install it with: apt-get install fonts-symbola")
        // A file that is no font.
        packages.artwork[.symbola] = ["\(folder)/emoji-test.txt"]
        await #expect(throws: EmojiError.self) { try await EmojiDG.prepare(into: folder, packages: packages) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["emoji-test.txt"])
    }

    @Test func leavesAnUnwritablePlaceAlone() async throws {
        let (folder, packages) = try temporary()
        defer { try? FileManager.default.removeItem(atPath: folder) }
        // A file where the folder should go.
        await #expect(throws: EmojiError.self) {
            try await EmojiDG.prepare(into: "\(folder)/emoji-test.txt", packages: packages)
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["emoji-test.txt"])
    }

    @Test func refusesAFolderWithoutAManifest() {
        #expect(throws: EmojiError.notPrepared("/nowhere")) { try EmojiRecord.read(from: "/nowhere") }
    }
}
