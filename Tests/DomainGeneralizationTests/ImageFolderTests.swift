import Foundation
import Foundations
import Pixels
import TestSupport
import Testing

@testable import DomainGeneralization

struct ImageFolderTests {
    let folder: TemporaryFolder

    init() throws {
        folder = try TemporaryFolder()
    }

    /// The line that opening a folder fails with.
    private func failure(_ path: String) -> String {
        do {
            _ = try ImageFolder(path)
            return "no failure"
        } catch {
            return "\(error)"
        }
    }

    private func touch(_ names: String...) throws {
        for name in names { try folder.write("x", to: name) }
    }

    @Test func sortsByCodePointAndIgnoresStrays() throws {
        try touch(
            "location_38/cat/2.PNG", "location_38/cat/10.jpg", "location_38/cat/._2.png", "location_100/dog/a.webp",
            "location_100/cat/deep/b.bmp", "location_100/cat/notes.txt", ".cache/x/1.png", "__MACOSX/x/1.png",
            "README.md")
        let dataset = try ImageFolder(folder.path + "/")
        #expect(dataset.environments == ["location_100", "location_38"])
        #expect(dataset.classes == ["cat", "dog"])
        #expect(dataset.items.map(\.name) == ["b", "a", "10", "2"])
        #expect(dataset.counts == [[1, 1], [2, 0]])
        #expect(dataset.missingClasses == ["domain location_38 has no image of dog"])
        #expect(dataset.otherFiles == ["\(folder.path)/location_100/cat/notes.txt"])
    }

    @Test func readsTheManifest() throws {
        try touch("a/cat/1.png", "a/cat/2.png", "b/cat/1.png")
        try folder.write(
            #"{"path": "a/cat/2.png", "name": "lion", "unseen": true}"# + "\n" + #"{"path": "b/cat/1.png"}"# + "\n",
            to: "manifest.jsonl")
        let dataset = try ImageFolder(folder.path)
        #expect(dataset.items.map(\.name) == ["1", "lion", "1"])
        #expect(dataset.items.map(\.isUnseen) == [false, true, false])
        let split = Split(dataset, trialSeed: 0)
        #expect(split.training == [[0], [2]])
        #expect(split.unseen == [[1], []])

        try folder.write("{\"path\": 3}\n", to: "manifest.jsonl")
        #expect(failure(folder.path).contains("manifest.jsonl: line 1"))
    }

    @Test func refusesWhatIsNoDataset() throws {
        #expect(failure("\(folder.path)/none").contains("no such folder"))
        try touch("file", "one/cat/1.png")
        #expect(failure("\(folder.path)/file").contains("a file, not a folder"))
        #expect(failure(folder.path).contains("a single domain folder ('one')"))
        try touch("two/readme.txt")
        #expect(failure(folder.path).contains("\(folder.path)/two: this domain has no class folder"))
        try touch("two/dog/readme.txt")
        #expect(failure(folder.path).contains("\(folder.path)/two/dog: no image in this class folder"))
    }

    @Test func saysWhichFormatsAreNotRead() throws {
        try touch("a/cat/1.TIF", "a/cat/2.gif", "a/cat/notes.txt", "b/cat/1.png")
        #expect(
            failure(folder.path).hasSuffix(
                "a/cat: no image in this class folder that is read: .gif, .tif files are not; convert them to png or jpg, or "
                    + "remove the folder"))
        try touch("a/cat/3.png")
        let dataset = try ImageFolder(folder.path)
        #expect(dataset.otherFiles.count == 3 && dataset.unreadImages.count == 2)
        #expect(dataset.unreadWarning?.contains("left out 2 images in formats that are not read (.gif, .tif)") == true)
    }

    @Test func samplesEvenly() throws {
        for index in 0..<10 { try touch("a/cat/\(index).png", "b/cat/\(index).png") }
        let dataset = try ImageFolder(folder.path)
        #expect(dataset.sample(4) == [0, 5, 10, 15])
        #expect(dataset.sample(7) == [0, 2, 5, 8, 11, 14, 17])
        #expect(dataset.sample(30) == Array(0..<20))
    }

    /// Names are bytes; those that are not UTF-8 are listed and opened as any other.
    @Test func namesNeedNotBeUTF8() throws {
        let domain = FilePath.text([0x64, 0xE9])
        for name in [domain, "b"] {
            let path = "\(folder.path)/\(name)/\(FilePath.text([0xFF]))"
            for part in ["\(folder.path)/\(name)", path] {
                _ = FilePath.withSystemPath(part) { mkdir($0, 0o755) }
            }
            try PNG.write(RGBImage(width: 4, height: 4), to: "\(path)/\(FilePath.text([0x80])).png")
        }
        let dataset = try ImageFolder(folder.path)
        #expect(dataset.environments == ["b", domain] && dataset.classes == [FilePath.text([0xFF])])
        #expect(try ImageCache(dataset, threads: 1).failures.isEmpty)
        #expect(try DatasetCheck(dataset, threads: 1).duplicates.map(\.count) == [2])
        // What is written of it is UTF-8, and reads back the same.
        let text = try JSONValue(encoding: dataset.items.map(\.path)).text
        #expect(try JSONDecoder().decode([String].self, from: Data(text.utf8)) == dataset.items.map(\.path))
    }

    /// é is one code point or two, and the same to whoever reads it.
    @Test func refusesNamesThatLookTheSame() throws {
        try touch("a/cat/\u{E9}.png", "a/cat/e\u{301}.png", "b/cat/1.png")
        #expect(failure(folder.path).contains("a/cat: two names in this folder that look the same"))
    }

    @Test func refusesLoops() throws {
        try touch("a/cat/1.png", "b/cat/1.png")
        let files = FileManager.default
        try files.createSymbolicLink(atPath: "\(folder.path)/b/cat/again", withDestinationPath: "\(folder.path)/b/cat")
        #expect(failure(folder.path).contains("b/cat/again: a loop of symbolic links"))
        try files.removeItem(atPath: "\(folder.path)/b/cat/again")
        try files.createSymbolicLink(atPath: "\(folder.path)/c", withDestinationPath: folder.path)
        #expect(failure(folder.path).contains("\(folder.path)/c: a loop of symbolic links"))
        try files.removeItem(atPath: "\(folder.path)/c")
        try files.createSymbolicLink(atPath: "\(folder.path)/d", withDestinationPath: "\(folder.path)/d")
        #expect(failure(folder.path).contains("\(folder.path)/d: a loop of symbolic links"))
    }

    @Test func followsLinksToOtherFolders() throws {
        try touch("set/a/cat/1.png", "elsewhere/cat/1.png")
        try FileManager.default.createSymbolicLink(
            atPath: "\(folder.path)/set/b", withDestinationPath: "\(folder.path)/elsewhere")
        #expect(try ImageFolder("\(folder.path)/set").environments == ["a", "b"])
    }

    @Test func namesNearMisses() throws {
        try touch("unifont/cat/1.png", "symbola/cat/1.png")
        let dataset = try ImageFolder(folder.path)
        #expect(try dataset.environment(named: "unifont") == 1)
        #expect(throws: UserError("\(folder.path): no domain 'unifnot'; did you mean unifont?")) {
            try dataset.environment(named: "unifnot")
        }
    }

    @Test func findsKnownDatasets() throws {
        try touch("office_home/Art/Bed/1.png", "office_home/Clipart/Bed/1.png", "other/x")
        #expect(KnownDataset.found(in: folder.path) == ["\(folder.path)/office_home"])
        #expect(KnownDataset.locate("OfficeHome", directory: folder.path) == "\(folder.path)/office_home")
        #expect(KnownDataset.locate("PACS", directory: folder.path) == "PACS")
    }

    @Test func saysHowToGetAKnownDataset() throws {
        #expect(failure("\(folder.path)/PACS").contains("fetch PACS.zip"))
        #expect(failure("\(folder.path)/PACS").contains("put it at data/PACS"))
        #expect(failure("\(folder.path)/EmojiDG").hasSuffix("run: domainfusion data prepare emoji"))
        for known in KnownDataset.all {
            #expect(known.domains == sortedByCodePoint(known.domains))
            #expect(DomainBedNames.environments(of: known.name).map { $0.count == known.domains.count } ?? true)
        }
    }

    @Test func namesDifferencesFromAKnownDataset() throws {
        try touch(
            "office_home/Art/Bed/1.png", "office_home/Clipart/Bed/1.png", "office_home/Real/Bed/1.png",
            "office_home/splits/Bed/1.png")
        let dataset = try ImageFolder("\(folder.path)/office_home")
        #expect(dataset.datasetName == "OfficeHome")
        let differences = try #require(KnownDataset.named(dataset.name)).differences(dataset)
        #expect(
            differences == [
                "\(dataset.root): OfficeHome's domain Product is missing",
                "\(dataset.root): 'splits' is no domain of OfficeHome; move it out, or it is trained on as one",
            ])
    }

    /// DomainBed deletes DomainNet's duplicates; here they are left out, and counted.
    @Test func leavesOutDuplicates() throws {
        let root = "\(folder.path)/domain_net"
        try touch(
            "domain_net/clipart/bed/1.png", "domain_net/clipart/bed/2.png", "domain_net/real/bed/1.png",
            "domain_net/real/bed/3.png")
        try folder.write(
            "clipart/bed/2.png\r\nreal/bed/1.png\nreal/bed/deleted.png\n\n", to: "domain_net/domain_net_duplicates.txt")
        let dataset = try ImageFolder(root)
        #expect(dataset.items.map(\.path) == ["\(root)/clipart/bed/1.png", "\(root)/real/bed/3.png"])
        #expect(dataset.leftOut == ["\(root)/clipart/bed/2.png", "\(root)/real/bed/1.png"])
        try folder.write("../secret.png\n", to: "domain_net/domain_net_duplicates.txt")
        #expect(failure(root).contains("'../secret.png' is no path inside the data set"))
    }

    @Test func findsUnreadableFilesAndDuplicates() throws {
        let root = try folder.makeDataset(count: 2)
        try folder.write("no image", to: "set/a/cat/bad.png")
        try FileManager.default.copyItem(atPath: "\(root)/a/cat/0.png", toPath: "\(root)/b/dog/copy.png")
        let check = try DatasetCheck(ImageFolder(root), threads: 2)
        #expect(check.unreadable.count == 1)
        #expect(check.unreadable[0].hasPrefix("\(root)/a/cat/bad.png: "))
        #expect(check.duplicates == [["\(root)/a/cat/0.png", "\(root)/b/dog/copy.png"]])
    }
}
