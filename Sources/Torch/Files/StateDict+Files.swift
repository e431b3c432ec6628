import Foundation
import Foundations

extension StateDict {
    /// Reads weights of safetensors or of PyTorch, or what an index spreads over several files: told apart by their bytes,
    /// whatever the file is called (`.pth.tar`, `.ckpt`, `.pkl`).
    /// - Parameter isWanted: of which names tensors are read; all by default.
    /// - Throws: `FileFormatError` naming the file and the remedy.
    public init(contentsOf path: String, where isWanted: (String) -> Bool = { _ in true }) throws {
        let file = try MappedFile(path: path)
        let start = file.withBytes { Array($0.prefix(9)) }
        let isSafetensors = start.count == 9 && start[8] == UInt8(ascii: "{")
        // A zip archive or a pickle; the first bytes of a safetensors file are a header's length.
        let isNamedPickle = ["pth", "pt", "bin", "ckpt", "pkl", "tar"]
            .contains(FilePath.fileExtension(of: path).lowercased())
        if !isSafetensors, start.starts(with: "PK".utf8) || start.first == 0x80 || isNamedPickle {
            try self.init(pth: path, where: isWanted)
        } else if !isSafetensors, start.first == UInt8(ascii: "{") {
            try self.init(safetensorsIndex: path)
        } else {
            try self.init(file, where: isWanted)
        }
    }

    /// Reads a `.safetensors` file. The tensors lie in the mapped file until they are changed or moved.
    /// - Throws: `FileFormatError` naming the file and the remedy.
    public init(safetensors path: String) throws {
        try self.init(MappedFile(path: path))
    }

    /// Reads the weights that an index (`*.safetensors.index.json`) spreads over several files. Each of them must hold
    /// exactly what the index says.
    /// - Throws: `FileFormatError` naming the file and the remedy.
    public init(safetensorsIndex path: String) throws {
        self.init()
        let index = try SafetensorsIndex.read(path)
        for shard in index.shards {
            let part = try StateDict(safetensors: shard)
            for name in part.names {
                guard index.weightMap[name] == shard else {
                    throw FileFormatError(
                        path: shard, problem: "holds \(shortened(name)), which \(path) does not list for it",
                        remedy: "fetch all files of the model again")
                }
                self[name] = part[name]
            }
        }
        if let (name, shard) = index.weightMap.filter({ self[$0.key] == nil }).min(by: { $0.key < $1.key }) {
            throw FileFormatError(
                path: shard, problem: "lacks \(shortened(name)), which \(path) lists for it",
                remedy: "fetch all files of the model again")
        }
    }

    init(_ file: MappedFile, where isWanted: (String) -> Bool = { _ in true }) throws {
        self.init()
        for entry in try SafetensorsHeader.parse(file).entries where isWanted(entry.name) {
            guard let dtype = entry.dtype.torchType else {
                throw FileFormatError(
                    path: file.path, problem: "\(entry.name) has type \(entry.dtype.rawValue), which is not supported",
                    remedy: "save it as F32, F16 or BF16")
            }
            let bytes = UnsafeRawBufferPointer(rebasing: file.bytes[entry.range])
            // The format does not promise alignment; libtorch needs it.
            let aligned = UInt(bitPattern: bytes.baseAddress) % UInt(dtype.byteCount) == 0
            if aligned, !bytes.isEmpty {
                self[entry.name] = Tensor(borrowing: bytes, shape: entry.shape, dtype: dtype, owner: file)
            } else {
                let copy = Tensor.empty(entry.shape, dtype: dtype)
                copy.withUnsafeMutableBytes { $0.copyMemory(from: bytes) }
                self[entry.name] = copy
            }
        }
    }

    /// Writes a `.safetensors` file atomically.
    /// - Parameter dtype: the type that floating-point tensors are stored in; theirs by default.
    /// - Throws: `FileFormatError`; then a file at `path` is as it was.
    public func write(
        safetensors path: String, dtype: DType? = nil, metadata: [String: String] = ["format": "pt"]
    ) throws {
        var kept: [Tensor] = []
        var entries: [SafetensorsWriter.Entry] = []
        for name in names {
            guard let tensor = self[name] else { continue }
            let type = tensor.dtype.isFloatingPoint ? dtype ?? tensor.dtype : tensor.dtype
            guard let stored = SafetensorsDType(type) else {
                throw FileFormatError(
                    path: path, problem: "\(name) has type \(type), which the format cannot hold", remedy: "convert it")
            }
            let ready = tensor.detached().to(device: .cpu, dtype: type).contiguous()
            kept.append(ready)
            // The memory outlives the closure: `kept` holds the tensor until the file is written.
            let bytes = ready.withUnsafeMutableBytes { UnsafeRawBufferPointer($0) }
            entries.append((name, stored, tensor.shape, bytes))
        }
        try withExtendedLifetime(kept) {
            try SafetensorsWriter.write(entries: entries, metadata: metadata, to: path)
        }
    }
}

extension SafetensorsDType {
    /// The type of the same name in libtorch, or nil for one that this binding does not know.
    var torchType: DType? {
        switch self {
        case .bool: .bool
        case .uint8: .uint8
        case .int8: .int8
        case .float16: .float16
        case .bfloat16: .bfloat16
        case .int16: .int16
        case .int32: .int32
        case .float32: .float32
        case .float64: .float64
        case .int64: .int64
        case .complex64: .complex64
        default: nil
        }
    }

    init?(_ dtype: DType) {
        guard let found = SafetensorsDType.allCases.first(where: { $0.torchType == dtype }) else { return nil }
        self = found
    }
}
