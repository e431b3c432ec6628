import Foundation
import Foundations
import TestSupport
import Testing

@testable import Torch

/// Writing: byte for byte what Python's safetensors writes, and atomically.
struct SafetensorsWriterTests {
    private func write(_ tensors: [(String, SafetensorsDType, [Int], [UInt8])], to path: String) throws {
        let all = tensors.flatMap(\.3)
        try all.withUnsafeBytes { bytes in
            var offset = 0
            let entries = tensors.map { name, dtype, shape, own in
                defer { offset += own.count }
                return (name, dtype, shape, UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + own.count]))
            }
            try SafetensorsWriter.write(entries: entries, to: path)
        }
    }

    @Test func writesTheReferenceEmptyFile() throws {
        let folder = try TemporaryFolder()
        try SafetensorsWriter.write(entries: [], to: folder.path("empty"))
        let expected: [UInt8] = [8, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20]
        #expect(try [UInt8](Data(contentsOf: folder.url("empty"))) == expected)
        #expect(try Data(contentsOf: URL(fileURLWithPath: fixture("safetensors/empty.safetensors"))) == Data(expected))
    }

    @Test func writesWhatPythonWrites() throws {
        let folder = try TemporaryFolder()
        let file = try MappedFile(path: fixture("safetensors/all_types.safetensors"))
        let header = try SafetensorsHeader.parse(file)
        #expect(Set(header.entries.map(\.dtype)) == Set(SafetensorsDType.allCases))
        let entries = header.entries.shuffled().map {
            ($0.name, $0.dtype, $0.shape, UnsafeRawBufferPointer(rebasing: file.bytes[$0.range]))
        }
        try SafetensorsWriter.write(entries: entries, metadata: header.metadata, to: folder.path("copy"))
        #expect(try Data(contentsOf: folder.url("copy")) == file.withBytes { Data($0) })
    }

    @Test func roundTrips() throws {
        let folder = try TemporaryFolder()
        let tensors: [(String, SafetensorsDType, [Int], [UInt8])] = [
            ("", .uint8, [3], [1, 2, 3]), ("\u{1}\"\\/\u{7F}é", .float32, [1, 1], [0, 0, 128, 63]),
            ("s", .int64, [], [7, 0, 0, 0, 0, 0, 0, 0]),
        ]
        try write(tensors, to: folder.path("file"))
        let file = try MappedFile(path: folder.path("file"))
        let header = try SafetensorsHeader.parse(file)
        #expect(header.entries.count == 3)
        for (name, dtype, shape, bytes) in tensors {
            let entry = try #require(header.entries.first { $0.name == name })
            #expect(entry.dtype == dtype)
            #expect(entry.shape == shape)
            #expect(file.withBytes { Array($0[entry.range]) } == bytes)
            #expect(entry.range.lowerBound % dtype.size == 0)
        }
    }

    @Test func replacesAtomicallyAndLeavesNothingBehind() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("file")
        try AtomicFile.write("old", to: path)
        struct Stop: Error {}
        #expect(throws: Stop.self) {
            try AtomicFile.write(to: path) { append in
                try append(UnsafeRawBufferPointer(start: nil, count: 0))
                throw Stop()
            }
        }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
        try AtomicFile.write("new", to: path)
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "new")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("")) == ["file"])
    }

    @Test func saysInOneLineWhyItCannotWrite() throws {
        let error = #expect(throws: FileFormatError.self) { try AtomicFile.write("x", to: "/no/such/folder/file") }
        #expect(
            error?.description
                == "/no/such/folder/file: cannot be written: No such file or directory; make its folder first")
    }

    /// What a killed process left is taken over, and only one process writes at a time.
    @Test func takesOverWhatAKillLeft() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("file")
        try Data(repeating: 7, count: 1000).write(to: URL(fileURLWithPath: "\(path).tmp"))
        try AtomicFile.write("x", to: path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("")) == ["file"])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "x")
        let texts = (0..<40).map { String(repeating: "\($0 % 10)", count: 10_000 + $0) }
        DispatchQueue.concurrentPerform(iterations: texts.count) { try? AtomicFile.write(texts[$0], to: path) }
        #expect(texts.contains(try String(contentsOfFile: path, encoding: .utf8)))
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path("")) == ["file"])
    }
}
