/// What often lies where a file of weights or settings should be, told by its first bytes.
package enum ForeignFile {
    /// Names a file that is something else than what is wanted.
    /// - Throws: ``FileFormatError`` for a Git LFS pointer, a web page, or a kind of file that is not read; nothing for a file
    ///   of another, unknown kind.
    package static func refuse(_ bytes: UnsafeRawBufferPointer, path: String) throws {
        func begins(_ text: String, at start: Int = 0) -> Bool { bytes.dropFirst(start).starts(with: text.utf8) }
        func refusal(_ problem: String, _ remedy: String) -> FileFormatError {
            FileFormatError(path: path, problem: problem, remedy: remedy)
        }
        // A safetensors file, whose first eight bytes are a number.
        if bytes.count > 8, bytes[8] == UInt8(ascii: "{") { return }
        if bytes.isEmpty { throw refusal("the file is empty", "fetch it again") }
        if begins("version https://git-lfs.github.com/spec/") {
            let size = String(decoding: bytes.prefix(300), as: UTF8.self).firstMatch(of: /\nsize (\d{1,18})/)
            throw refusal(
                "a Git LFS pointer, not the file itself" + (size.map { " of \($0.1) bytes" } ?? ""),
                "fetch the file with 'git lfs pull', or download it from the model's page")
        }
        // White space and a byte order mark may come first.
        let text = bytes.prefix(64).drop { $0 <= 0x20 || [0xEF, 0xBB, 0xBF].contains($0) }
        if text.first == UInt8(ascii: "<") {
            throw refusal(
                "a web page (HTML or XML), not the file itself", "download the file behind it, which may need a login")
        }
        let kinds = [
            ("\u{89}HDF", "an HDF5 file (Keras)"), ("GGUF", "a GGUF file"), ("Rar!", "a RAR archive"),
            ("7z", "a 7-Zip archive"),
        ]
        if let (_, kind) = kinds.first(where: { begin, _ in
            bytes.starts(with: begin.unicodeScalars.map { UInt8(truncatingIfNeeded: $0.value) })
        }) {
            throw refusal("\(kind), which is not read", "take the model's safetensors or PyTorch files")
        }
        if bytes.starts(with: [0x1F, 0x8B]) { throw refusal("compressed by gzip", "decompress it with gunzip first") }
        if begins("ustar", at: 257) {
            throw refusal("a tar archive, which is not read", "unpack it with tar, and name the file of weights in it")
        }
    }
}
