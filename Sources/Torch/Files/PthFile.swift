import Foundations

/// One tensor of a `.pth` file: a strided view of a storage.
public struct PthEntry: Equatable, Sendable {
    /// The tensor's key in the state dict, such as `layer1.0.conv1.weight`.
    public let name: String
    /// Type of the stored elements.
    public let dtype: SafetensorsDType
    /// Sizes of the dimensions, outermost first.
    public let shape: [Int]
    /// Distance between neighbours along each dimension, in elements; 0 along one of a single element.
    public let strides: [Int]
    /// The first element's place in the storage, in elements.
    public let storageOffset: Int
    /// The storage's bytes, counted from the start of the file; not necessarily aligned.
    public let storage: Range<Int>

    /// Number of elements.
    public var count: Int { shape.reduce(1, *) }
}

/// The tensors of a state dict that Python's `torch.save` wrote, read without executing anything.
///
/// Both layouts are read, whatever the file's name ends with: the zip archive of PyTorch 1.6 and later, and the older sequence
/// of pickles. The state dict may stand inside a checkpoint under `state_dict`, `model_state_dict`, `model_dict` (DomainBed's),
/// `model`, `network`, `net` or `params`.
public struct PthFile: Sendable {
    /// The mapped file that the entries' storages lie in.
    public let file: MappedFile
    /// The tensors in the order of the state dict; names are unique.
    public let entries: [PthEntry]

    /// Reads the file's table of tensors; the elements stay on disk until they are touched.
    ///
    /// - Throws: `FileFormatError` if the file is damaged, or holds or refers to anything but tensors and plain values.
    public static func read(_ path: String) throws -> PthFile {
        let file = try MappedFile(path: path)
        try file.withBytes { try ForeignFile.refuse($0, path: path) }
        do {
            let entries = try file.withBytes { try ZipDirectory.begins($0) ? readZip($0) : readSequence($0) }
            return PthFile(file: file, entries: entries)
        } catch let failure as PickleReader.Failure {
            throw error(path, failure.problem)
        } catch let failure as ZipDirectory.Failure {
            throw error(path, failure.problem)
        }
    }

    private static func error(_ path: String, _ problem: String) -> FileFormatError {
        FileFormatError(
            path: path, problem: "not readable as PyTorch weights: \(problem)",
            remedy: "save the model's state_dict() by torch.save or as safetensors")
    }

    /// Copies an entry's elements to `target` in row-major order.
    ///
    /// - Precondition: `target` holds exactly `entry.count` elements.
    public func copy(_ entry: PthEntry, to target: UnsafeMutableRawBufferPointer) {
        let size = entry.dtype.size
        precondition(target.count == entry.count * size, "\(entry.name): \(target.count) bytes for \(entry.shape)")
        guard entry.count > 0 else { return }
        defer { withExtendedLifetime(file) {} }
        let source = UnsafeRawBufferPointer(rebasing: file.bytes[entry.storage])
        // Trailing dimensions that lie row-major are copied in one go.
        var run = 1
        var outer = entry.shape.count
        while outer > 0, entry.strides[outer - 1] == run || entry.shape[outer - 1] == 1 {
            outer -= 1
            run *= entry.shape[outer]
        }
        var index = Array(repeating: 0, count: outer)
        var place = entry.storageOffset
        for start in stride(from: 0, to: target.count, by: run * size) {
            let part = source[place * size..<(place + run) * size]
            UnsafeMutableRawBufferPointer(rebasing: target[start..<start + run * size])
                .copyMemory(from: UnsafeRawBufferPointer(rebasing: part))
            for dimension in stride(from: outer - 1, through: 0, by: -1) {
                index[dimension] += 1
                place += entry.strides[dimension]
                if index[dimension] < entry.shape[dimension] { break }
                place -= index[dimension] * entry.strides[dimension]
                index[dimension] = 0
            }
        }
    }

    // MARK: The two layouts

    private static func readZip(_ bytes: UnsafeRawBufferPointer) throws -> [PthEntry] {
        let members = try ZipDirectory(bytes).members
        let pickles = members.keys.filter { $0.hasSuffix("/data.pkl") && $0.split(separator: "/").count == 2 }
        guard pickles.count == 1, let name = pickles.first, let range = members[name] else {
            throw PickleReader.Failure(problem: "a zip archive without data.pkl")
        }
        let root = name.dropLast("data.pkl".count)
        if let order = members[root + "byteorder"], !bytes[order].elementsEqual("little".utf8) {
            throw PickleReader.Failure(problem: "written on a big-endian machine")
        }
        var reader = PickleReader(bytes, range)
        let top = try reader.read()
        return try entries(reader, top, fileSize: bytes.count) { storage in
            guard let range = members[root + "data/" + storage.key] else {
                throw PickleReader.Failure(problem: "storage \(shortened(storage.key)) is missing")
            }
            return range
        }
    }

    /// The magic number 0x1950a86a20f9469cfc6c that begins the older layout.
    private static let magic: [UInt8] = [0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19]

    private static func readSequence(_ bytes: UnsafeRawBufferPointer) throws -> [PthEntry] {
        // The file begins with the pickle of the magic number: protocol 2, a long of ten bytes.
        guard bytes.count > 14, bytes[0] == 0x80, bytes[2] == 0x8A, bytes[4..<14].elementsEqual(magic) else {
            throw PickleReader.Failure(problem: "neither a zip archive nor the older format of torch.save")
        }
        var reader = PickleReader(bytes, 0..<bytes.count)
        for _ in 0..<2 { _ = try reader.read() }  // the magic number and the protocol's version
        let information = try reader.read()
        guard isLittleEndian(reader, information) else {
            throw PickleReader.Failure(problem: "written on a big-endian machine")
        }
        let top = try reader.read()
        let list = try reader.read()
        guard case .list(let keys) = reader.nodes[list] else {
            throw PickleReader.Failure(problem: "damaged pickle")
        }
        var dtypes: [String: SafetensorsDType] = [:]
        for case .storage(let storage) in reader.nodes { dtypes[storage.key] = storage.dtype ?? .uint8 }

        // Then every storage: the number of its elements, and the elements.
        var ranges: [String: Range<Int>] = [:]
        var position = reader.position
        for key in keys {
            guard let name = reader.string(key), let dtype = dtypes[name], bytes.count - position >= 8,
                let count = Int(exactly: bytes.loadUnaligned(fromByteOffset: position, as: Int64.self)), count >= 0,
                count <= (bytes.count - position - 8) / dtype.size
            else { throw PickleReader.Failure(problem: "storages damaged or cut short") }
            ranges[name] = position + 8..<position + 8 + count * dtype.size
            position += 8 + count * dtype.size
        }
        return try entries(reader, top, fileSize: bytes.count) { storage in
            guard let range = ranges[storage.key] else {
                throw PickleReader.Failure(problem: "storage \(shortened(storage.key)) is missing")
            }
            return range
        }
    }

    private static func isLittleEndian(_ reader: PickleReader, _ information: Int) -> Bool {
        guard case .dictionary(let pairs) = reader.nodes[information],
            let pair = pairs.first(where: { reader.string($0.key) == "little_endian" }),
            case .bool(let value) = reader.nodes[pair.value]
        else { return false }
        return value
    }

    // MARK: From objects to entries

    private static func entries(
        _ reader: PickleReader, _ top: Int, fileSize: Int, _ locate: (PickleReader.Storage) throws -> Range<Int>
    ) throws -> [PthEntry] {
        var names = Set<String>()
        // Tensors may share a storage, but not so often as to fill the memory.
        var room = 1 << 26 + 4 * fileSize
        return try stateDict(reader, top).map { name, view in
            guard names.insert(name).inserted else {
                throw PickleReader.Failure(problem: "\"\(shortened(name))\" appears twice")
            }
            let range = try locate(view.storage)
            try check(view, range.count, name)
            room -= view.dtype.byteCount(view.shape) ?? 0
            guard room >= 0 else { throw PickleReader.Failure(problem: "its tensors are far larger than the file") }
            // Along a dimension of one element nothing is a stride away.
            let strides = zip(view.shape, view.strides).map { extent, stride in extent == 1 ? 0 : stride }
            return PthEntry(
                name: name, dtype: view.dtype, shape: view.shape, strides: strides, storageOffset: view.offset,
                storage: range)
        }
    }

    /// Under which names a checkpoint has its state dict.
    private static let wrappers = [
        "state_dict", "model_state_dict", "model_dict", "model", "network", "net", "params",
    ]

    /// The tensors of the state dict in the outermost dictionary, or of that itself.
    private static func stateDict(
        _ reader: PickleReader, _ top: Int, depth: Int = 0
    ) throws -> [(name: String, view: PickleReader.TensorView)] {
        func pairs(_ index: Int) -> [(key: Int, value: Int)] {
            if case .dictionary(let pairs) = reader.nodes[index] { pairs } else { [] }
        }
        func tensors(_ index: Int) -> [(String, PickleReader.TensorView)] {
            pairs(index).compactMap { pair in
                guard let name = reader.string(pair.key), case .tensor(let view) = reader.nodes[pair.value] else {
                    return nil
                }
                return (name, view)
            }
        }
        let members = pairs(top)
        for key in wrappers where depth < 3 {
            guard let pair = members.last(where: { reader.string($0.key) == key }), !pairs(pair.value).isEmpty,
                let inner = try? stateDict(reader, pair.value, depth: depth + 1)
            else { continue }
            return inner
        }
        let outer = tensors(top)
        guard outer.isEmpty else { return outer }
        let others = members.compactMap { tensors($0.value).isEmpty ? nil : reader.string($0.key) }
        throw PickleReader.Failure(
            problem: others.isEmpty
                ? "holds no state dict"
                : "holds no state dict of its own, but some under \(others.prefix(8).map(shortened).joined(separator: ", "))"
        )
    }

    /// Checks that every element of a view lies in its storage.
    private static func check(_ view: PickleReader.TensorView, _ byteCount: Int, _ name: String) throws {
        let failure = PickleReader.Failure(problem: "tensor \"\(shortened(name))\" lies outside its storage")
        let storageSize = (view.storage.dtype ?? .uint8).size
        guard view.storage.count == byteCount / storageSize, byteCount % storageSize == 0,
            view.offset >= 0, view.strides.allSatisfy({ $0 >= 0 }), let size = view.dtype.byteCount(view.shape)
        else { throw failure }
        guard size > 0 else { return }
        // A repeated (stride 0) tensor may be larger than its storage, but not so large as to fill the memory.
        guard size <= max(byteCount, 1 << 20) else { throw failure }
        var last = view.offset
        for (extent, stride) in zip(view.shape, view.strides) {
            let (reach, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
            let (sum, carry) = last.addingReportingOverflow(reach)
            guard !overflow, !carry else { throw failure }
            last = sum
        }
        guard last < byteCount / view.dtype.size else { throw failure }
    }
}
