import Foundation
import Testing

@testable import Foundations

@Suite struct FilePathTests {
    /// `dirname` and `basename` of coreutils, which POSIX describes.
    @Test(arguments: [
        "x", "k/", "é", "", "/", "//", "a/b", "a/b/", "/a", "/a/", "a//b", "a//b//", ".", "..", "./x", "a/b/c.png",
    ])
    func partsAreThoseOfPOSIX(path: String) throws {
        // coreutils says "." of "" where POSIX leaves basename's answer open: ours is "".
        #expect(FilePath.folder(of: path) == (try run("dirname", path)))
        #expect(FilePath.name(of: path) == (try run("basename", path)))
    }

    @Test(arguments: [
        ("a.png", "png", "a"), ("a.tar.gz", "gz", "a.tar"), (".hidden", "", ".hidden"), ("a", "", "a"),
        ("x/a.png", "png", "x/a"), ("x.y/a", "", "x.y/a"), ("a.", "", "a"), ("..", "", ".."), ("x", "", "x"),
        ("a.PNG/", "PNG", "a"), ("", "", ""),
    ])
    func extensions(path: String, suffix: String, rest: String) {
        #expect(FilePath.fileExtension(of: path) == suffix)
        #expect(FilePath.withoutExtension(path) == rest)
    }

    @Test func joins() {
        #expect(FilePath.join("a", "b") == "a/b")
        #expect(FilePath.join("a/", "b") == "a/b")
        #expect(FilePath.join("/", "b") == "/b")
        #expect(FilePath.join("", "b") == "b")
        #expect(FilePath.join(".", "b") == "b")
    }

    /// Names of any bytes come back as they were.
    @Test func namesNeedNotBeUTF8() {
        var generator = SystemRandomNumberGenerator()
        var names: [[UInt8]] = [
            Array("é.png".utf8), [0xE9, 0x2E], [0xFF], [0xC3], [0xE2, 0x82], [0xEF, 0x9E, 0x80],
            [0xF0, 0x9F, 0x98, 0x80],
        ]
        for _ in 0..<500 {
            names.append((0..<Int.random(in: 1...12, using: &generator)).map { _ in .random(in: 1...255) })
        }
        for name in names {
            let text = FilePath.text(name)
            let back = FilePath.withSystemPath(text) { pointer in
                Array(UnsafeRawBufferPointer(start: pointer, count: strlen(pointer)))
            }
            #expect(back == name, "\(name) became \(text)")
        }
        #expect(FilePath.text(Array("é.png".utf8)) == "é.png")
    }

    private func run(_ program: String, _ path: String) throws -> String {
        if path.isEmpty { return program == "dirname" ? "." : "" }
        let output = Pipe()
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/\(program)")
        process.arguments = ["--", path]
        process.standardOutput = output
        try process.run()
        let data = output.fileHandleForReading.readDataToEndOfFile()
        process.waitUntilExit()
        return String(decoding: data.dropLast(), as: UTF8.self)
    }
}
