import Foundation
import Foundations
import TestSupport
import Testing

@testable import Torch

/// `.pth` files as `torch.save` writes them, and what must not be read.
struct PthFileTests {
    /// A `.pth` fixture and the safetensors file with the same tensors.
    static let pairs = [
        ("zip", "tensors"), ("legacy", "tensors"), ("typed", "typed"), ("wrapped", "wrapped"),
        ("wrapped_legacy", "wrapped"), ("domainbed.pkl", "wrapped"), ("lightning2.ckpt", "wrapped"),
        ("lightning3.ckpt", "wrapped"), ("lightning4.ckpt", "wrapped"), ("lightning5.ckpt", "wrapped"),
        ("timm.pth.tar", "wrapped"), ("nested.pt", "wrapped"),
    ]

    @Test(arguments: pairs) func readsWhatTorchSaves(_ name: String, _ expected: String) throws {
        let path = try fixture("pth/" + (name.contains(".") ? name : "\(name).pth"))
        if expected != "typed" {  // some of whose types no tensor has
            #expect(try Set(StateDict(contentsOf: path).names) == Set(PthFile.read(path).entries.map(\.name)))
        }
        let pth = try PthFile.read(path)
        let file = try MappedFile(path: fixture("pth/\(expected).safetensors"))
        let header = try SafetensorsHeader.parse(file)
        #expect(Set(pth.entries.map(\.name)) == Set(header.entries.map(\.name)))
        for entry in header.entries {
            let found = try #require(pth.entries.first { $0.name == entry.name })
            #expect(found.dtype == entry.dtype)
            #expect(found.shape == entry.shape)
            #expect(elements(pth, found) == file.withBytes { Array($0[entry.range]) }, "\(entry.name)")
        }
    }

    /// What is written comes back; that `torch.load` reads it is checked with PyTorch (scripts/fixtures/exports.py).
    @Test func writesWhatItReads() throws {
        let folder = try TemporaryFolder()
        var state = StateDict()
        state["a.weight"] = Tensor.randn([3, 2], generator: Generator(seed: 1))
        state["a.num_batches_tracked"] = Tensor(Int64(7))
        state["half"] = Tensor.ones([5]).to(dtype: .float16)
        state["columns"] = Tensor.randn([4, 3], generator: Generator(seed: 2)).transposed(0, 1)
        let path = folder.path("state.pth")
        try state.write(pth: path)
        let found = try StateDict(contentsOf: path)
        #expect(Set(found.names) == Set(state.names))
        for name in state.names {
            let (a, b) = (try #require(found[name]), try #require(state[name]))
            #expect(
                a.shape == b.shape && a.dtype == b.dtype && a.scalars(Double.self) == b.scalars(Double.self), "\(name)")
        }
        let first = Files.contents(path)
        try state.write(pth: path)
        #expect(Files.contents(path) == first)
        state["complex"] = Tensor.ones([2, 2]).fft2()
        let error = #expect(throws: UserError.self) { try state.write(pth: path) }
        #expect(error?.message == "complex: its type has no form in a .pth file; export safetensors")
        #expect(Files.contents(path) == first)
    }

    @Test(arguments: ["zip", "legacy"]) func becomesAStateDict(_ name: String) throws {
        let found = try StateDict(pth: fixture("pth/\(name).pth"))
        let expected = try StateDict(safetensors: fixture("pth/tensors.safetensors"))
        #expect(Set(found.names) == Set(expected.names))
        for name in expected.names {
            let (found, expected) = try (#require(found[name]), #require(expected[name]))
            #expect(found.dtype == expected.dtype)
            #expect(found.shape == expected.shape)
            #expect(found.equal(expected).all().item() == 1, "\(name)")
        }
    }

    @Test func keepsStridesAndSharedStorages() throws {
        let pth = try PthFile.read(fixture("pth/zip.pth"))
        func entry(_ name: String) throws -> PthEntry { try #require(pth.entries.first { $0.name == name }) }
        #expect(try entry("transposed").strides == [1, 6])
        #expect(try entry("slice").strides == [6, 2])
        #expect(try entry("slice").storageOffset == 7)
        #expect(try entry("channels_last").strides == [60, 1, 15, 3])
        #expect(try entry("expanded").strides == [0, 1])
        #expect(try entry("shared").storage == entry("transposed").storage)
        #expect(pth.entries.first?.name == "float32")
    }

    @Test(arguments: [
        ("malicious", "refers to posix.system, which weights do not need: refused; save the model's state_dict()"),
        ("malicious_legacy", "refers to posix.system"),
        ("module", "refers to torch.nn.modules.container.Sequential"),
        ("list", "holds no state dict;"),
        ("several", "holds no state dict of its own, but some under generator, discriminator;"),
        ("plain_pickle", "neither a zip archive nor the older format of torch.save"),
        ("compressed", "is compressed or encrypted"),
    ]) func refuses(_ name: String, _ words: String) throws {
        let path = try fixture("pth/\(name).pth")
        let error = #expect(throws: FileFormatError.self) { try PthFile.read(path) }
        #expect(error?.description.contains(words) == true, "\(error?.description ?? "no error")")
        #expect(error?.path == path)
        #expect(!FileManager.default.fileExists(atPath: "/tmp/executed-by-a-pickle"))
    }

    /// A zip archive is refused wherever it is cut, and whatever bytes are changed nothing outside the file is read.
    @Test(arguments: ["zip", "legacy"]) func survivesDamage(_ name: String) throws {
        let original = try [UInt8](Data(contentsOf: URL(fileURLWithPath: fixture("pth/\(name).pth"))))
        let folder = try TemporaryFolder()
        let path = folder.path("damaged.pth")
        var random = SystemRandomNumberGenerator()
        var refused = 0
        for round in 0..<500 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: .min ... .max, using: &random)
            }
            if round % 4 == 0 { bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random)) }
            try Data(bytes).write(to: folder.url("damaged.pth"))
            do {
                let pth = try PthFile.read(path)
                for entry in pth.entries { _ = elements(pth, entry) }
            } catch is FileFormatError {
                refused += 1
            }
        }
        #expect(refused > 100)
    }

    /// Pickles that would exhaust a stack, a memory or a patience.
    @Test func refusesPicklesMadeToExhaust() throws {
        let folder = try TemporaryFolder()
        let nested = [UInt8](repeating: UInt8(ascii: ")"), count: 1) + [UInt8](repeating: 0x85, count: 300_000)
        let endless = [UInt8](repeating: UInt8(ascii: "("), count: 1_000_000)
        let long: [UInt8] = [UInt8(ascii: "X"), 0xFF, 0xFF, 0xFF, 0xFF]
        let unknown: [UInt8] = [0x99]
        // 5 MB of objects, of marks, of tuples around one object, and of names for it.
        func many(_ code: [UInt8]) -> [UInt8] { [UInt8](repeatElement(code, count: 5_000_000 / code.count).joined()) }
        let codes: [[UInt8]] = [Array("N".utf8), Array("]".utf8), Array("K\u{1}".utf8), Array("(".utf8)]
        let head: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
        let large = codes.map(many) + [Array(")".utf8) + many([0x85]), Array("N".utf8) + many([0x32, 0x94])]
        for body in large {
            try Data(head + body).write(to: folder.url("large.pth"))
            let error = #expect(throws: FileFormatError.self) { try PthFile.read(folder.path("large.pth")) }
            #expect(error?.problem.contains("more than 2000000 objects") == true)
        }
        for body in [nested + [0x2E], endless, long, unknown, []] {
            try Data(head + body).write(to: folder.url("hostile.pth"))
            #expect(throws: FileFormatError.self) { try PthFile.read(folder.path("hostile.pth")) }
        }
    }

    /// Lists copied again and again, and tensors over one small storage, each of them allowed.
    @Test func refusesFilesThatGrow() throws {
        func long(_ value: Int) -> [UInt8] {
            [0x8A, 8] + withUnsafeBytes(of: Int64(value).littleEndian) { [UInt8]($0) }
        }
        func name(_ module: String, _ name: String) -> [UInt8] { Array("c\(module)\n\(name)\n".utf8) }
        func text(_ text: String) -> [UInt8] { [UInt8(ascii: "U"), UInt8(text.utf8.count)] + Array(text.utf8) }
        let magic: [UInt8] = [0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E]
        let head = magic + Array("K\u{1}.".utf8) + Array("}".utf8) + text("little_endian") + [0x88] + Array("s.".utf8)
        let folder = try TemporaryFolder()
        func problem(_ body: [UInt8]) throws -> String? {
            try Data(head + body).write(to: folder.url("grows.pth"))
            return #expect(throws: FileFormatError.self) { try PthFile.read(folder.path("grows.pth")) }?.problem
        }
        // h0 = OrderedDict, h1 = a list of 100,000 pairs; then OrderedDict(list) 1,000 times.
        var copies = name("collections", "OrderedDict") + Array("q\u{0}".utf8) + Array("]q\u{1}(".utf8)
        let pair = Array("K\u{1}K\u{2}".utf8) + [0x86]
        copies += pair + Array("q\u{2}".utf8) + (0..<100_000).flatMap { _ in Array("h\u{2}".utf8) } + Array("e".utf8)
        copies += (0..<1000).flatMap { _ in Array("h\u{0}h\u{1}".utf8) + [0x85] + Array("R".utf8) } + Array(".".utf8)
        #expect(try problem(copies)?.contains("objects") == true)

        // A storage of one float, and 1,000 tensors of 2¹⁸ repetitions of it.
        func tensors(_ count: Int, shape: [UInt8], strides: [UInt8]) -> [UInt8] {
            var body = Array("}(".utf8)
            for index in 0..<count {
                body += text("t\(index)") + name("torch._utils", "_rebuild_tensor_v2") + Array("((".utf8)
                body += text("storage") + name("torch", "FloatStorage") + text("0") + text("cpu")
                body +=
                    long(8) + Array("NtQ".utf8) + Array("K\u{0}".utf8) + shape + strides + [0x89] + Array("}tR".utf8)
            }
            body += Array("u.".utf8) + Array("]".utf8) + text("0") + Array("a.".utf8)
            return body + withUnsafeBytes(of: Int64(8).littleEndian) { [UInt8]($0) } + [UInt8](repeating: 0, count: 32)
        }
        let repeated = tensors(1000, shape: long(1 << 18) + [0x85], strides: long(0) + [0x85])
        #expect(try problem(repeated)?.contains("far larger than the file") == true)

        // [2, 1, 2] with a step along the dimension of one that no integer can take twice.
        let steps = long(4) + long(.max) + long(3)
        try Data(head + tensors(1, shape: long(2) + long(1) + long(2) + [0x87], strides: steps + [0x87]))
            .write(to: folder.url("step.pth"))
        let file = try PthFile.read(folder.path("step.pth"))
        #expect(file.entries[0].strides == [4, 0, 3] && elements(file, file.entries[0]).count == 16)
    }

    private func elements(_ pth: PthFile, _ entry: PthEntry) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: entry.count * entry.dtype.size)
        bytes.withUnsafeMutableBytes { pth.copy(entry, to: $0) }
        return bytes
    }
}
