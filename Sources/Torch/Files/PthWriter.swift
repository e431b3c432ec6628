import Foundations

/// Writes a state dict as `torch.save` does: a zip archive of a pickle, a dictionary of tensors, and their bytes. `torch.load` reads
/// it with `weights_only=True`.
enum PthWriter {
    /// - Throws: `UserError` for a tensor of a type that has no PyTorch storage; a `FileFormatError` where nothing can be written.
    static func write(_ state: StateDict, to path: String) throws {
        let tensors = try state.names.sorted().map { name -> (name: String, tensor: Tensor, storage: String) in
            guard let tensor = state[name]?.detached().to(device: .cpu).contiguous(),
                let storage = storage(tensor.dtype)
            else {
                throw UserError("\(name): its type has no form in a .pth file; export safetensors")
            }
            return (name, tensor, storage)
        }
        var pickle = Pickle()
        for (number, (name, tensor, storage)) in tensors.enumerated() {
            pickle.add(name, tensor, storage: storage, key: "\(number)")
        }
        let program = pickle.finished
        try AtomicFile.write(to: path) { append in
            var zip = ZipWriter()
            try program.withUnsafeBytes { try zip.add("archive/data.pkl", $0, to: append) }
            try Array("little".utf8).withUnsafeBytes { try zip.add("archive/byteorder", $0, to: append) }
            for (number, (_, tensor, _)) in tensors.enumerated() {
                try tensor.withUnsafeMutableBytes {
                    try zip.add("archive/data/\(number)", UnsafeRawBufferPointer($0), to: append)
                }
            }
            try Array("3\n".utf8).withUnsafeBytes { try zip.add("archive/version", $0, to: append) }
            try zip.finish(append)
        }
    }

    private static func storage(_ dtype: DType) -> String? {
        switch dtype {
        case .float32: "FloatStorage"
        case .float64: "DoubleStorage"
        case .float16: "HalfStorage"
        case .bfloat16: "BFloat16Storage"
        case .int64: "LongStorage"
        case .uint8: "ByteStorage"
        default: nil
        }
    }

    /// A program of the pickle protocol, version 2, that makes a dictionary.
    private struct Pickle {
        // PROTO 2, EMPTY_DICT, MARK
        private var bytes: [UInt8] = [0x80, 2] + Array("}(".utf8)

        /// SETITEMS, STOP
        var finished: [UInt8] { bytes + Array("u.".utf8) }

        private mutating func op(_ code: Character) { bytes += Array(String(code).utf8) }

        private mutating func text(_ text: String) {
            op("X")
            withUnsafeBytes(of: UInt32(text.utf8.count).littleEndian) { bytes.append(contentsOf: $0) }
            bytes += Array(text.utf8)
        }

        private mutating func global(_ module: String, _ name: String) { bytes += Array("c\(module)\n\(name)\n".utf8) }

        /// LONG1 with eight bytes.
        private mutating func int(_ value: Int) {
            bytes += [0x8A, 8]
            withUnsafeBytes(of: Int64(value).littleEndian) { bytes.append(contentsOf: $0) }
        }

        private mutating func tuple(_ values: [Int]) {
            op("(")
            for value in values { int(value) }
            op("t")
        }

        /// `name: torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`.
        mutating func add(_ name: String, _ tensor: Tensor, storage: String, key: String) {
            text(name)
            global("torch._utils", "_rebuild_tensor_v2")
            op("(")
            op("(")
            text("storage")
            global("torch", storage)
            text(key)
            text("cpu")
            int(tensor.count)
            op("t")
            op("Q")
            int(0)
            tuple(tensor.shape)
            tuple(tensor.strides)
            bytes.append(0x89)
            global("collections", "OrderedDict")
            op(")")
            op("R")
            op("t")
            op("R")
        }
    }
}

extension StateDict {
    /// Writes a `.pth` file as `torch.save` does, atomically; `torch.load` reads it without running any code.
    /// - Throws: `UserError` for a type that it cannot hold, or more than 4 GiB; `FileFormatError` where nothing can be written.
    public func write(pth path: String) throws { try PthWriter.write(self, to: path) }
}
