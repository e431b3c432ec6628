import Foundations

/// Reads the pickles that `torch.save` writes, as data: nothing in them is ever called.
///
/// A pickle is a program for a stack machine that may name any Python function. This machine knows the few names that
/// tensors need and what they mean, and the names of libraries whose plain data checkpoints carry beside them, which it
/// passes over; any other name, and any other instruction, is refused.
///
/// Objects live in one flat array and refer to each other by index, so neither cycles nor deep nesting cost anything.
struct PickleReader {
    /// Why the pickle is refused.
    struct Failure: Error {
        let problem: String
    }

    /// A block of elements stored elsewhere in the file.
    struct Storage: Equatable {
        let key: String
        /// nil for a storage of plain bytes.
        let dtype: SafetensorsDType?
        /// Number of elements (bytes for a storage of plain bytes).
        let count: Int
    }

    /// A strided view of a storage, in elements.
    struct TensorView: Equatable {
        let storage: Storage
        let dtype: SafetensorsDType
        let offset: Int
        let shape: [Int]
        let strides: [Int]
    }

    /// One object; containers hold indices of ``nodes``.
    enum Node {
        case none
        case bool(Bool)
        case int(Int)
        case long([UInt8])
        case double
        case string(String)
        case tuple([Int])
        case list([Int])
        case dictionary([(key: Int, value: Int)])
        indirect case global(Global)
        indirect case storage(Storage)
        indirect case tensor(TensorView)
        /// Something that holds no tensors that are wanted.
        case opaque
    }

    /// The names that may appear, by what they do.
    enum Global {
        case orderedDictionary, rebuildTensor, rebuildTypedTensor, rebuildParameter, size
        /// Makes plain data of no interest.
        case inert
        case storage(SafetensorsDType?)
        case dtype(SafetensorsDType)
    }

    private(set) var nodes: [Node] = []
    private(set) var position: Int
    private let bytes: UnsafeRawBufferPointer
    private var stack: [Int] = []
    private var marks: [Int] = []
    private var memo: [Int: Int] = [:]
    /// Pairs copied from lists into dictionaries.
    private var copiedPairs = 0

    /// Most objects in one file, of which a tensor takes about twenty; a pickle made to exhaust memory has more.
    static let mostNodes = 2_000_000

    /// - Parameter range: where the pickles may lie in the file.
    init(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>) {
        self.bytes = UnsafeRawBufferPointer(rebasing: bytes[..<range.upperBound])
        position = range.lowerBound
    }

    /// Reads one pickle up to its end and returns the index of its object.
    mutating func read() throws -> Int {
        (stack, marks, memo) = ([], [], [:])
        while true {
            guard max(nodes.count, stack.count, marks.count, memo.count) < Self.mostNodes else {
                throw Failure(problem: "more than \(Self.mostNodes) objects")
            }
            let place = position
            let code = try byte()
            if code == UInt8(ascii: ".") { return try pop() }
            guard try step(code) else {
                throw Failure(problem: "pickle instruction \(code) at byte \(place), which weights do not need")
            }
        }
    }

    /// The string at `index`, if it is one.
    func string(_ index: Int) -> String? {
        if case .string(let text) = nodes[index] { text } else { nil }
    }

    /// Runs one instruction; false if it is not known.
    private mutating func step(_ code: UInt8) throws -> Bool {
        switch code {
        case 0x80: position += 1  // PROTO
        case UInt8(ascii: "N"): push(.none)
        case 0x95: _ = try take(8)  // FRAME: how much a reader may buffer
        case 0x88: push(.bool(true))
        case 0x89: push(.bool(false))
        case UInt8(ascii: "J"): try push(.int(Int(Int32(truncatingIfNeeded: number(4)))))
        case UInt8(ascii: "K"): try push(.int(number(1)))
        case UInt8(ascii: "M"): try push(.int(number(2)))
        case 0x8A: try pushLong(take(number(1)))
        case UInt8(ascii: "G"):
            _ = try take(8)
            push(.double)
        case UInt8(ascii: "X"): try pushString(take(number(4)))
        case 0x8C: try pushString(take(number(1)))
        case 0x8D: try pushString(take(number(8)))
        case UInt8(ascii: "U"): try pushPlainString(take(number(1)))
        case UInt8(ascii: "T"): try pushPlainString(take(number(4)))
        case UInt8(ascii: "C"): try skipBytes(number(1))
        case UInt8(ascii: "B"): try skipBytes(number(4))
        case 0x8E, 0x96: try skipBytes(number(8))
        case 0x8B: try pushLong(take(number(4)))
        case UInt8(ascii: "]"): push(.list([]))
        case UInt8(ascii: "}"): push(.dictionary([]))
        case UInt8(ascii: ")"): push(.tuple([]))
        case 0x8F: push(.opaque)  // an empty set
        case 0x90: try addToSet(popMark())
        case 0x91:
            _ = try popMark()
            push(.opaque)
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "0"): _ = try pop()
        case UInt8(ascii: "1"): _ = try popMark()
        case UInt8(ascii: "2"): try stack.append(top())
        case UInt8(ascii: "t"): try push(.tuple(popMark()))
        case 0x85, 0x86, 0x87: try push(.tuple(pop(Int(code - 0x84))))
        case UInt8(ascii: "a"): try append(pop(1))
        case UInt8(ascii: "e"): try append(popMark())
        case UInt8(ascii: "s"): try setItems(pop(2))
        case UInt8(ascii: "u"): try setItems(popMark())
        case UInt8(ascii: "q"): try memo[number(1)] = top()
        case UInt8(ascii: "r"): try memo[number(4)] = top()
        case 0x94: try memo[memo.count] = top()
        case UInt8(ascii: "h"): try recall(number(1))
        case UInt8(ascii: "j"): try recall(number(4))
        case UInt8(ascii: "c"): try push(.global(global(line(), line())))
        case 0x93: try stackGlobal()
        case UInt8(ascii: "R"), 0x81: try reduce()
        case 0x92:
            _ = try pop()  // keyword arguments
            try reduce()
        case UInt8(ascii: "b"): try build()
        case UInt8(ascii: "Q"): try persistentIdentifier()
        default: return false
        }
        return true
    }

    // MARK: Reading bytes

    private mutating func byte() throws -> UInt8 {
        try take(1)[0]
    }

    private mutating func take(_ count: Int) throws -> UnsafeRawBufferPointer {
        guard position <= bytes.count, count <= bytes.count - position else {
            throw Failure(problem: "pickle cut short")
        }
        defer { position += count }
        return UnsafeRawBufferPointer(rebasing: bytes[position..<position + count])
    }

    /// A little-endian unsigned number of 1 to 8 bytes.
    private mutating func number(_ size: Int) throws -> Int {
        let bytes = try take(size)
        guard size < 8 || bytes[7] < 0x80 else { throw Failure(problem: "damaged pickle") }
        return bytes.reversed().reduce(0) { $0 << 8 | Int($1) }
    }

    private mutating func line() throws -> String {
        let rest = bytes[min(position, bytes.count)...].prefix(1000)
        guard let end = rest.firstIndex(of: 0x0A) else { throw Failure(problem: "pickle cut short") }
        defer { position = end + 1 }
        return String(decoding: bytes[position..<end], as: UTF8.self)
    }

    private mutating func pushString(_ text: UnsafeRawBufferPointer) throws {
        guard let text = String(validating: text, as: UTF8.self) else {
            throw Failure(problem: "a name that is not UTF-8")
        }
        push(.string(text))
    }

    /// Text of Python 2, which may be bytes that are none.
    private mutating func pushPlainString(_ text: UnsafeRawBufferPointer) {
        push(String(validating: text, as: UTF8.self).map(Node.string) ?? .opaque)
    }

    private mutating func skipBytes(_ count: Int) throws {
        _ = try take(count)
        push(.opaque)
    }

    private mutating func pushLong(_ digits: UnsafeRawBufferPointer) {
        guard digits.count <= 8 else { return push(.long(Array(digits))) }
        let negative = digits.last.map { $0 >= 0x80 } ?? false
        push(.int(digits.reversed().reduce(negative ? -1 : 0) { $0 << 8 | Int($1) }))
    }

    // MARK: The stack

    private mutating func push(_ node: Node) {
        stack.append(nodes.count)
        nodes.append(node)
    }

    private func top() throws -> Int {
        guard let index = stack.last, stack.count > marks.last ?? 0 else { throw Failure(problem: "damaged pickle") }
        return index
    }

    private mutating func pop() throws -> Int {
        let index = try top()
        stack.removeLast()
        return index
    }

    private mutating func pop(_ count: Int) throws -> [Int] {
        guard stack.count - count >= marks.last ?? 0 else { throw Failure(problem: "damaged pickle") }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popMark() throws -> [Int] {
        guard let mark = marks.popLast() else { throw Failure(problem: "damaged pickle") }
        return try pop(stack.count - mark)
    }

    private mutating func recall(_ key: Int) throws {
        guard let index = memo[key] else { throw Failure(problem: "damaged pickle") }
        stack.append(index)
        guard stack.count < Self.mostNodes else { throw Failure(problem: "more than \(Self.mostNodes) objects") }
    }

    private mutating func addToSet(_ items: [Int]) throws {
        guard case .opaque = try nodes[top()] else { throw Failure(problem: "damaged pickle") }
    }

    private mutating func append(_ items: [Int]) throws {
        let target = try top()
        if case .opaque = nodes[target] { return }
        guard case .list(var list) = nodes[target] else { throw Failure(problem: "damaged pickle") }
        nodes[target] = .none
        list.append(contentsOf: items)
        nodes[target] = .list(list)
    }

    private mutating func setItems(_ items: [Int]) throws {
        let target = try top()
        if case .opaque = nodes[target] { return }
        guard case .dictionary(var pairs) = nodes[target], items.count % 2 == 0 else {
            throw Failure(problem: "damaged pickle")
        }
        nodes[target] = .none
        for index in stride(from: 0, to: items.count, by: 2) { pairs.append((items[index], items[index + 1])) }
        nodes[target] = .dictionary(pairs)
    }

    // MARK: Objects

    private func global(_ module: String, _ name: String) throws -> Global {
        switch (module, name) {
        case ("collections", "OrderedDict"): return .orderedDictionary
        case ("torch._utils", "_rebuild_tensor"), ("torch._utils", "_rebuild_tensor_v2"): return .rebuildTensor
        case ("torch._utils", "_rebuild_tensor_v3"): return .rebuildTypedTensor
        case ("torch._utils", "_rebuild_parameter"): return .rebuildParameter
        case ("torch", "Size"): return .size
        case ("torch.storage", "UntypedStorage"), ("torch", "UntypedStorage"): return .storage(nil)
        case ("torch", _), ("torch.cuda", _):
            if let dtype = SafetensorsDType(storageName: name) { return .storage(dtype) }
            if module == "torch", let dtype = SafetensorsDType(torchName: name) { return .dtype(dtype) }
        default: break
        }
        if InertNames.contains(module, name) { return .inert }
        throw Failure(problem: "refers to \(shortened("\(module).\(name)")), which weights do not need: refused")
    }

    private mutating func stackGlobal() throws {
        let (name, module) = try (pop(), pop())
        guard let module = string(module), let name = string(name) else { throw Failure(problem: "damaged pickle") }
        try push(.global(global(module, name)))
    }

    private mutating func reduce() throws {
        let arguments = try pop()
        let function = try pop()
        guard case .global(let global) = nodes[function], case .tuple(let values) = nodes[arguments] else {
            throw Failure(problem: "damaged pickle")
        }
        switch global {
        case .orderedDictionary: try push(.dictionary(values.isEmpty ? [] : pairs(values[0])))
        case .rebuildTensor where values.count >= 4: try push(.tensor(tensor(values, dtype: nil)))
        case .rebuildTypedTensor where values.count >= 7: try push(.tensor(tensor(values, dtype: values[6])))
        case .rebuildParameter where !values.isEmpty: stack.append(values[0])
        case .size where values.count == 1: stack.append(values[0])
        case .inert: push(.opaque)
        default: throw Failure(problem: "damaged pickle")
        }
    }

    /// The key-value pairs of a list of pairs, as Python 2 wrote an ordered dictionary.
    private mutating func pairs(_ list: Int) throws -> [(key: Int, value: Int)] {
        guard case .list(let items) = nodes[list] else { throw Failure(problem: "damaged pickle") }
        copiedPairs += items.count
        guard copiedPairs < Self.mostNodes else { throw Failure(problem: "more than \(Self.mostNodes) objects") }
        return try items.map { item in
            switch nodes[item] {
            case .tuple(let pair), .list(let pair):
                guard pair.count == 2 else { throw Failure(problem: "damaged pickle") }
                return (pair[0], pair[1])
            default: throw Failure(problem: "damaged pickle")
            }
        }
    }

    /// Attributes of a dictionary (a state dict's version table) are dropped, and those of objects of no interest.
    private mutating func build() throws {
        _ = try pop()
        switch try nodes[top()] {
        case .dictionary, .opaque: break
        default: throw Failure(problem: "damaged pickle")
        }
    }

    private mutating func persistentIdentifier() throws {
        let identifier = try pop()
        guard case .tuple(let fields) = nodes[identifier], fields.count >= 5, string(fields[0]) == "storage",
            case .global(.storage(let dtype)) = nodes[fields[1]], let key = string(fields[2]),
            case .int(let count) = nodes[fields[4]], count >= 0
        else { throw Failure(problem: "damaged pickle") }
        if fields.count > 5 {
            guard case .none = nodes[fields[5]] else { throw Failure(problem: "written by a PyTorch older than 0.4") }
        }
        push(.storage(Storage(key: key, dtype: dtype, count: count)))
    }

    private func tensor(_ values: [Int], dtype: Int?) throws -> TensorView {
        guard case .storage(let storage) = nodes[values[0]], case .int(let offset) = nodes[values[1]],
            case .tuple(let shape) = nodes[values[2]], case .tuple(let strides) = nodes[values[3]],
            shape.count <= SafetensorsHeader.mostDimensions, strides.count == shape.count
        else { throw Failure(problem: "damaged pickle") }
        var type = storage.dtype
        if let dtype, case .global(.dtype(let named)) = nodes[dtype] { type = named }
        guard let type else { throw Failure(problem: "a tensor without a type") }
        return try TensorView(
            storage: storage, dtype: type, offset: offset, shape: numbers(shape), strides: numbers(strides))
    }

    private func numbers(_ indices: [Int]) throws -> [Int] {
        try indices.map {
            guard case .int(let value) = nodes[$0] else { throw Failure(problem: "damaged pickle") }
            return value
        }
    }
}
