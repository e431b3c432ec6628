import Foundation
import Testing

@testable import Foundations

@Suite struct FilesTests {
    private let folder = NSTemporaryDirectory() + "/files-\(UUID().uuidString)"

    init() throws { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) }

    /// Makes a file of a name that need not be UTF-8.
    private func make(_ name: [UInt8], _ text: String = "") {
        FilePath.withSystemPath(FilePath.text(Array("\(folder)/".utf8) + name)) { path in
            let file = open(path, O_WRONLY | O_CREAT, 0o644)
            _ = write(file, text, text.utf8.count)
            close(file)
        }
    }

    /// The order of code points is neither that of UTF-16 nor that of letters with their accents joined.
    @Test func sortsAsPython() {
        let sorted = ["", "B", "a", "ab", "e\u{301}", "z", "\u{e9}", "\u{f780}", "\u{ffff}", "\u{10000}"]
        #expect(sortedByCodePoint(sorted.reversed()).map { Array($0.utf8) } == sorted.map { Array($0.utf8) })
    }

    @Test func listsNamesOfAnyBytesInOneOrder() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let names: [[UInt8]] = [
            Array("b".utf8), Array("a".utf8), Array("Z".utf8), Array("é".utf8), [0xE9], [0xFF, 0x2E, 0x61],
            Array(".h".utf8),
        ]
        for (number, name) in names.enumerated() { make(name, "\(number)") }
        let found = try #require(Files.names(in: folder))
        #expect(found == [".h", "Z", "a", "b", "é", FilePath.text([0xE9]), FilePath.text([0xFF, 0x2E, 0x61])])
        for (number, name) in names.enumerated() {
            let path = "\(folder)/\(FilePath.text(name))"
            #expect(Files.exists(path) && !Files.isFolder(path))
            #expect(Files.contents(path) == Data("\(number)".utf8))
        }
        #expect(Files.names(in: "\(folder)/nowhere") == nil && Files.contents("\(folder)/nowhere") == nil)
        #expect(Files.isFolder(folder) && Files.contents(folder) == nil)
    }

    @Test func followsLinks() throws {
        defer { try? FileManager.default.removeItem(atPath: folder) }
        make(Array("a".utf8), "text")
        try FileManager.default.createSymbolicLink(atPath: "\(folder)/b", withDestinationPath: "a")
        try FileManager.default.createSymbolicLink(atPath: "\(folder)/c", withDestinationPath: "nowhere")
        #expect(Files.realPath("\(folder)/b") == Files.realPath("\(folder)/a"))
        #expect(FilePath.name(of: Files.realPath("\(folder)/b")) == "a")
        #expect(!Files.exists("\(folder)/c") && Files.realPath("\(folder)/c") == "\(folder)/c")
        make(Array("empty".utf8))
        #expect(Files.contents("\(folder)/empty") == Data())
    }
}
