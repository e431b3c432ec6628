import Foundation
import Foundations
import TestSupport
import Testing

@testable import Torch

/// What lies where weights or settings should be is named.
struct ForeignFileTests {
    static let pointer = """
        version https://git-lfs.github.com/spec/v1
        oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393
        size 3438167540

        """
    static let files: [(bytes: [UInt8], words: String)] = [
        (
            Array(pointer.utf8),
            "a Git LFS pointer, not the file itself of 3438167540 bytes; fetch the file with 'git lfs pull'"
        ),
        (Array("version https://git-lfs.github.com/spec/v1\n".utf8), "a Git LFS pointer, not the file itself; fetch"),
        (Array("<html>404</html>".utf8), "a web page (HTML or XML), not the file itself; download"),
        (Array("\u{FEFF}\r\n  <!DOCTYPE html>".utf8), "a web page"),
        (Array("<?xml version=\"1.0\"?><Error>".utf8), "a web page"),
        ([], "the file is empty"), ([0x89] + Array("HDF\r\n".utf8), "an HDF5 file"),
        (Array("GGUF....".utf8), "a GGUF file"),
        ([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3], "compressed by gzip; decompress it"),
        ([UInt8](repeating: 97, count: 257) + Array("ustar\0".utf8), "a tar archive"),
    ]

    @Test(arguments: files.indices, ["x.safetensors", "x.pth", "x.ckpt", "x", "x.json"])
    func isNamed(index: Int, name: String) throws {
        let folder = try TemporaryFolder()
        try Data(Self.files[index].bytes).write(to: folder.url(name))
        let readers: [(String) throws -> Void] = [
            { _ = try StateDict(contentsOf: $0) }, { _ = try JSONFile.object($0) },
            { _ = try JSONFile.wholeNumbers($0) },
            { _ = try SafetensorsIndex.names($0) }, { _ = try PthFile.read($0) },
            { _ = try StateDict(safetensors: $0) },
        ]
        for reader in readers {
            let error = #expect(throws: FileFormatError.self) { try reader(folder.path(name)) }
            #expect(error?.path == folder.path(name))
            #expect(error?.description.contains(Self.files[index].words) == true, "\(error?.description ?? "")")
        }
    }

    /// A header whose length reads as another kind's first letters is still a header.
    @Test func safetensorsFilesAreWhatTheyAre() throws {
        for length in [0x3C, 0x8B1F, 0x3C20, 0x5047] {
            let json = "{\"__metadata__\":{\"a\":\"b\"}}".utf8
            let header = Array(json) + [UInt8](repeating: 0x20, count: length - json.count)
            let bytes = SafetensorsHeaderTests.file(header)
            #expect(try SafetensorsHeaderTests.parse(bytes).metadata == ["a": "b"])
            let folder = try TemporaryFolder()
            try Data(bytes).write(to: folder.url("x"))
            #expect(try StateDict(contentsOf: folder.path("x")).isEmpty)
        }
    }
}
