import Foundation
import Foundations
import TestSupport
import Testing

@testable import DomainFusion

struct LinkedFileTests {
    /// Several at once put the same file there: none fails, and nothing else is left.
    @Test func manyPutTheSameFileThere() throws {
        let folder = try TemporaryFolder()
        try folder.write("content", to: "from/file")
        _ = try parallelMap(1200, threads: 6) { number in
            try LinkedFile.place(folder.path("from/file"), at: folder.path("to/\(number / 60)/file"))
        }
        for number in 0..<20 {
            #expect(Files.names(in: folder.path("to/\(number)")) == ["file"])
            #expect(Files.contents(folder.path("to/\(number)/file")) == Data("content".utf8))
        }
        #expect(throws: (any Error).self) { try LinkedFile.place(folder.path("none"), at: folder.path("to/none")) }
    }
}
