import Foundation
import Foundations
import TestSupport
import Testing

@testable import Torch

/// Parsing of headers: what the reference accepts, what it refuses, and what nobody should accept.
struct SafetensorsHeaderTests {
    /// A file with `json` as its header, and `data` bytes after it.
    static func file(_ json: String, data: Int = 0) -> [UInt8] { file(Array(json.utf8), data: data) }

    static func file(_ json: [UInt8], data: Int = 0, declared: UInt64? = nil) -> [UInt8] {
        withUnsafeBytes(of: (declared ?? UInt64(json.count)).littleEndian, Array.init) + json
            + Array(repeating: 0, count: data)
    }

    static func parse(_ bytes: [UInt8]) throws -> SafetensorsHeader {
        try bytes.withUnsafeBytes { try SafetensorsHeader.parse(bytes: $0, fileSize: $0.count, path: "test") }
    }

    static func tensor(_ name: String, _ offsets: String) -> String { tensor(name, "U8", "[2]", offsets) }

    static func tensor(_ name: String, _ dtype: String, _ shape: String, _ offsets: String) -> String {
        "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
    }

    @Test func readsTensorsInByteOrder() throws {
        let json =
            "{\(Self.tensor("b", "F32", "[2,1]", "[2,10]")), \(Self.tensor("a", "[0,2]")),"
            + "\"__metadata__\":{\"format\":\"pt\",\"note\":\"a\\u00e9\\ud83d\\ude00\\n\"}}   "
        let header = try Self.parse(Self.file(json, data: 10))
        let start = 8 + json.utf8.count
        #expect(header.entries.map(\.name) == ["a", "b"])
        #expect(header.entries[1].dtype == .float32)
        #expect(header.entries[1].shape == [2, 1])
        #expect(header.entries[1].range == start + 2..<start + 10)
        #expect(header.metadata == ["format": "pt", "note": "aé😀\n"])
    }

    @Test func acceptsScalarsAndEmptyTensorsAtOneOffset() throws {
        let json =
            "{\(Self.tensor("a", "F32", "[0]", "[0,0]")),\(Self.tensor("b", "F32", "[3,0]", "[0,0]")),"
            + "\(Self.tensor("c", "F32", "[]", "[0,4]")),\(Self.tensor("d", "I64", "[0,9223372036854775]", "[4,4]"))}"
        #expect(try Self.parse(Self.file(json, data: 4)).entries.count == 4)
    }

    @Test func readsTheReferenceEmptyFile() throws {
        let bytes: [UInt8] = [8, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D, 0x20, 0x20, 0x20, 0x20, 0x20, 0x20]
        #expect(try Self.parse(bytes) == SafetensorsHeader(entries: [], metadata: [:]))
    }

    /// Each is refused with a message that contains the given words.
    static let hostile: [(bytes: [UInt8], words: String)] = [
        ([], "the file is empty"),
        ([1, 2, 3, 4, 5, 6, 7], "shorter than 8"),
        (file([]), "begin with '{'"),
        (file(Array("{}".utf8), declared: 1 << 63), "longer than 100000000"),
        (file(Array("{}".utf8), declared: .max), "longer than 100000000"),
        (file(Array("{}".utf8), declared: 100_000_001), "longer than 100000000"),
        (file(Array("{}".utf8), declared: 3), "longer than the file"),
        (file(" {}"), "begin with '{'"),
        (file("[]"), "begin with '{'"),
        (file("\u{FEFF}{}"), "begin with '{'"),
        (file("{"), "expected '\"'"),
        (file("{\"a\""), "expected ':'"),
        (file("{} x"), "unexpected text"),
        (file("{}{}"), "unexpected text"),
        (file("{\"a\":1}"), "expected '{'"),
        (file("{\"a\":null}"), "expected '{'"),
        (file([0x7B, 0x22, 0xFF, 0x22, 0x3A, 0x7B, 0x7D, 0x7D]), "not UTF-8"),
        (file([0x7B, 0x22, 0x0A, 0x22, 0x3A, 0x7B, 0x7D, 0x7D]), "control character"),
        (file("{\"\\ud800\":{}}"), "surrogate"),
        (file("{\"\\ud800\\u0041\":{}}"), "surrogate"),
        (file("{\"\\udc00\":{}}"), "surrogate"),
        (file("{\"\\u12"), "bad \\u escape"),
        (file("{\"\\x\":{}}"), "unknown escape"),
        (file("{\"\\"), "ends inside a string"),
        (file("{\(tensor("a", "[0,2]")),\(tensor("a", "[0,2]"))}", data: 2), "\"a\" appears twice"),
        (file("{\(tensor("a", "[0,2]")),\(tensor("\\u0061", "[0,2]"))}", data: 2), "\"a\" appears twice"),
        (
            file("{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", data: 2),
            "appears twice"
        ),
        (file("{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}"), "appears twice"),
        (file("{\"__metadata__\":{\"a\":1}}"), "expected '\"'"),
        (file("{\"__metadata__\":[]}"), "expected '{'"),
        (file("{\"__metadata__\":{\"a\":{\"b\":\"c\"}}}"), "expected '\"'"),
        (file("{\"a\":{\"dtype\":\"U8\",\"shape\":[2]}}", data: 2), "lacks"),
        (file("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2],\"x\":1}}", data: 2), "unknown field"),
        (file("{\(tensor("a", "U8", "[2]", "[0]"))}", data: 2), "lacks"),
        (file("{\(tensor("a", "U8", "[2]", "[0,2,2]"))}", data: 2), "more than 2"),
        (file("{\(tensor("a", "Q8", "[2]", "[0,2]"))}", data: 2), "unknown dtype"),
        (file("{\(tensor("a", "U8", "[2]", "[-1,1]"))}", data: 2), "whole number"),
        (file("{\(tensor("a", "U8", "[2]", "[0,2.0]"))}", data: 2), "whole number"),
        (file("{\(tensor("a", "U8", "[2]", "[0,2e0]"))}", data: 2), "whole number"),
        (file("{\(tensor("a", "U8", "[02]", "[0,2]"))}", data: 2), "whole number"),
        (file("{\(tensor("a", "U8", "[2]", "[0,18446744073709551616]"))}", data: 2), "too large"),
        (file("{\(tensor("a", "U8", "[2]", "[0,9223372036854775807]"))}", data: 2), "outside the file"),
        (file("{\(tensor("a", "U8", "[2]", "[2,0]"))}", data: 2), "outside the file"),
        (file("{\(tensor("a", "[0,2]"))}", data: 1), "outside the file"),
        (file("{\(tensor("a", "[0,2]")),\(tensor("b", "[1,3]"))}", data: 3), "overlaps"),
        (file("{\(tensor("a", "[0,2]")),\(tensor("b", "[0,2]"))}", data: 2), "overlaps"),
        (file("{\(tensor("a", "[0,2]")),\(tensor("b", "[3,5]"))}", data: 5), "hole"),
        (file("{\(tensor("a", "[1,3]"))}", data: 3), "hole"),
        (file("{\(tensor("a", "[0,2]"))}", data: 3), "after the last tensor"),
        (file("{}", data: 1), "after the last tensor"),
        (file("{\(tensor("a", "U8", "[3]", "[0,2]"))}", data: 2), "does not fit"),
        (file("{\(tensor("a", "F32", "[2]", "[0,2]"))}", data: 2), "does not fit"),
        (file("{\(tensor("a", "F32", "[4294967296,4294967296]", "[0,0]"))}"), "does not fit"),
        (file("{\(tensor("a", "F32", "[0,4294967296,4294967296]", "[0,0]"))}"), "does not fit"),
        (file("{\(tensor("a", "F32", "[9223372036854775807]", "[0,0]"))}"), "does not fit"),
        (
            file(
                "{\(tensor("a", "U8", "[\(Array(repeating: "1", count: 65).joined(separator: ","))]", "[0,1]"))}",
                data: 1),
            "more than 64"
        ),
        (file("{\"a\":" + String(repeating: "[", count: 100_000)), "expected '{'"),
        (file("{\"a\":" + String(repeating: "{\"a\":", count: 100_000)), "unknown field"),
    ]

    @Test(arguments: hostile.indices) func refuses(_ index: Int) {
        let (bytes, words) = Self.hostile[index]
        let error = #expect(throws: FileFormatError.self) { try Self.parse(bytes) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "no error")")
        #expect(error?.description.hasPrefix("test: ") == true)
        #expect(error?.description.contains("\n") == false)
    }

    @Test func refusesMoreTensorsThanAnyModelHas() {
        var json = "{"
        for index in 0...SafetensorsHeader.mostEntries {
            json += "\(index == 0 ? "" : ",")" + Self.tensor("\(index)", "U8", "[0]", "[0,0]")
        }
        let error = #expect(throws: FileFormatError.self) { try Self.parse(Self.file(json + "}")) }
        #expect(error?.problem.contains("more than 200000 tensors") == true)
    }

    @Test func survivesRandomDamage() throws {
        let path = try fixture("safetensors/all_types.safetensors")
        let original = try [UInt8](Data(contentsOf: URL(fileURLWithPath: path)))
        let headerEnd = 8 + Int(original[0]) + Int(original[1]) << 8
        var random = SystemRandomNumberGenerator()
        var refused = 0
        for _ in 0..<2000 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let place = Int.random(in: 0..<min(headerEnd, bytes.count), using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[place] = UInt8.random(in: .min ... .max, using: &random)
                case 1: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &random)
                case 2: bytes.remove(at: place)
                default: bytes.removeLast(Int.random(in: 1...bytes.count / 4, using: &random))
                }
            }
            do {
                let header = try Self.parse(bytes)
                #expect(header.entries.allSatisfy { $0.range.upperBound <= bytes.count })
            } catch is FileFormatError {
                refused += 1
            }
        }
        #expect(refused > 1000)
    }

    @Test func namesMissingFilesAndFolders() throws {
        #expect(throws: FileFormatError.self) { try MappedFile(path: "/no/such/file") }
        let error = #expect(throws: FileFormatError.self) { try MappedFile(path: "/tmp") }
        // A named pipe that nobody writes to.
        let folder = try TemporaryFolder()
        #expect(mkfifo(folder.path("pipe"), 0o600) == 0)
        #expect(throws: FileFormatError.self) { try MappedFile(path: folder.path("pipe")) }
        #expect(error?.problem == "not a regular file")
    }

    @Test func readsAnIndexAndRefusesPathsThatLeaveItsFolder() throws {
        let folder = try TemporaryFolder()
        let index = folder.path("model.safetensors.index.json")
        func write(_ json: String) throws { try AtomicFile.write(json, to: index) }
        try AtomicFile.write("", to: folder.path("a.safetensors"))
        try write("{\"metadata\":{\"total_size\":1.5e3,\"x\":[null,true,{}]},\"weight_map\":{\"w\":\"a.safetensors\"}}")
        let read = try SafetensorsIndex.read(index)
        #expect(read.shards == [folder.path("a.safetensors")])
        #expect(read.weightMap == ["w": folder.path("a.safetensors")])
        for (json, words) in [
            ("{\"weight_map\":{\"w\":\"../a.safetensors\"}}", "not a plain file name"),
            ("{\"weight_map\":{\"w\":\"/a.safetensors\"}}", "not a plain file name"),
            ("{\"weight_map\":{\"w\":\"b.safetensors\"}}", "b.safetensors is missing"),
            ("{\"weight_map\":{\"w\":\"a.safetensors\",\"w\":\"a.safetensors\"}}", "appears twice"),
            ("{\"metadata\":\(String(repeating: "[", count: 100_000))}", "nested too deep"),
            ("{\"metadata\":{}}", "no weight_map"),
        ] {
            try write(json)
            let error = #expect(throws: FileFormatError.self) { try SafetensorsIndex.read(index) }
            #expect(error?.description.contains(words) == true, "\(error?.description ?? "no error")")
        }
    }
}
