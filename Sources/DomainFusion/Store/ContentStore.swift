import DomainGeneralization
import Foundation
import Foundations
import Logging
import Pixels
import Torch

/// Results of a frozen diffusion model that no classifier has a part in, kept in a folder that all runs share.
///
/// A value's address is the hash of what it depends on, so a value is worked out once, by whichever run or machine
/// comes first. Layout: `<folder>/<kind>/<first 2 digits>/<hash>.{safetensors|png}` with `<hash>.json` beside it, which
/// holds the description and the content's SHA-256. The JSON file is written last, so an entry is whole or not there;
/// what is damaged later counts as absent and is worked out again. Any file may be deleted at any time. Several threads
/// and processes may use a store at once: of two that write the same entry, the first one's value stays, for both.
public struct ContentStore: Sendable {
    /// An image with what was noted when it was made.
    public struct StoredImage: Sendable {
        /// The stored image.
        public let image: RGBImage
        /// What was noted when it was made; null for nothing.
        public let notes: JSONValue
    }

    /// What `<hash>.json` holds.
    struct Sidecar: Codable {
        let kind: String
        let description: JSONValue
        let notes: JSONValue
        /// Of the notes' JSON text followed by the content's bytes.
        let sha256: String
    }

    /// The folder of the store.
    public let folder: String
    private let logger: Logger

    /// A store in a folder, which need not exist yet.
    /// - Parameters:
    ///   - folder: made when the first value is written.
    ///   - logger: told of damaged entries.
    public init(_ folder: String, logger: Logger = Logger(label: "domainfusion.store")) {
        self.folder = folder
        self.logger = logger
    }

    // MARK: Tensors

    /// The tensors of a key; nil where there are none.
    public func tensors(for key: StoreKey) -> StateDict? {
        guard let found = find(key) else { return nil }
        return try? StateDict(safetensors: found.path)
    }

    /// Keeps tensors under their address.
    /// - Parameter ledger: counts the bytes.
    /// - Returns: what the store now holds for the key: another process's, if that came first.
    /// - Throws: a one-line error when the store cannot be written.
    @discardableResult
    public func put(_ tensors: StateDict, for key: StoreKey, ledger: inout Ledger) throws -> StateDict {
        try write(key, notes: .null, ledger: &ledger) { try tensors.write(safetensors: $0) }
        return self.tensors(for: key) ?? tensors
    }

    /// The tensors of a key, worked out and stored where there are none.
    /// - Parameter ledger: counts the work.
    public func tensors(
        for key: StoreKey, ledger: inout Ledger, compute: (inout Ledger) throws -> StateDict
    ) throws -> StateDict {
        if let found = tensors(for: key) { return found }
        let made = try compute(&ledger)
        return try put(made, for: key, ledger: &ledger)
    }

    // MARK: Images

    /// The image of a key; nil where there is none.
    public func image(for key: StoreKey) -> StoredImage? {
        guard let found = find(key), let image = try? ImageFile.decode(found.path) else { return nil }
        return StoredImage(image: image, notes: found.notes)
    }

    /// The candidate image at an address; nil where there is none.
    /// - Parameter hash: the address' hash, of a record (``SyntheticSet/Record/candidates``).
    public func candidate(_ hash: String) -> RGBImage? {
        guard hash.count == 64, hash.allSatisfy(\.isHexDigit) else { return nil }
        let stem = stem(.candidate, hash)
        guard case .whole = Self.check(stem, kind: .candidate, hash: hash) else { return nil }
        return try? ImageFile.decode("\(stem).\(StoreKey.Kind.candidate.fileExtension)")
    }

    /// Puts the file of a key's value at a path, in the place of what is there: the same file where both are on one disk, so that
    /// it takes no more room, otherwise a copy.
    /// - Returns: whether there is a whole value.
    /// - Throws: a one-line error when the file cannot be put there.
    func place(_ key: StoreKey, at path: String) throws -> Bool {
        guard let found = find(key) else { return false }
        try LinkedFile.place(found.path, at: path)
        return true
    }

    /// Stores an image with notes on it.
    /// - Parameter ledger: counts the bytes.
    /// - Returns: what the store now holds for the key: another process's, if that came first.
    /// - Throws: a one-line error when the store cannot be written.
    @discardableResult
    public func put(
        _ image: RGBImage, notes: JSONValue = .null, for key: StoreKey, ledger: inout Ledger
    ) throws -> StoredImage {
        try write(key, notes: notes, ledger: &ledger) { try PNG.write(image, to: $0) }
        return self.image(for: key) ?? StoredImage(image: image, notes: notes)
    }

    // MARK: Entries

    /// The path of an entry without its extension.
    func stem(_ kind: StoreKey.Kind, _ hash: String) -> String {
        "\(folder)/\(kind.rawValue)/\(hash.prefix(2))/\(hash)"
    }

    /// The content's path and the notes of an entry that is there and whole.
    private func find(_ key: StoreKey) -> (path: String, notes: JSONValue)? {
        let stem = stem(key.kind, key.hash)
        switch Self.check(stem, kind: key.kind, hash: key.hash) {
        case .whole(let sidecar):
            // The time of last use, for pruning; a store that may only be read is used all the same.
            FilePath.withSystemPath(stem + ".json") { _ = utimensat(AT_FDCWD, $0, nil, 0) }
            return ("\(stem).\(key.kind.fileExtension)", sidecar.notes)
        case .damaged(let reason):
            logger.warning("\(stem).json: \(reason); it is worked out again")
            return nil
        case .absent: return nil
        }
    }

    enum State {
        case absent
        case damaged(String)
        case whole(Sidecar)
    }

    /// Reads an entry's files and compares them with each other and with the hash.
    static func check(_ stem: String, kind: StoreKey.Kind, hash: String) -> State {
        guard let data = Files.contents(stem + ".json") else { return .absent }
        guard let sidecar = try? JSONDecoder().decode(Sidecar.self, from: data), sidecar.kind == kind.rawValue,
            StoreKey(kind, description: sidecar.description).hash == hash
        else { return .damaged("its description is damaged") }
        let path = "\(stem).\(kind.fileExtension)"
        // Pruning takes the description first: content that is missing now may have been there a moment ago.
        guard let found = try? digest(path, notes: sidecar.notes) else {
            let isThere = Files.exists(stem + ".json")
            return isThere ? .damaged("its content is missing") : .absent
        }
        return found == sidecar.sha256 ? .whole(sidecar) : .damaged("its content is damaged")
    }

    private static func digest(_ path: String, notes: JSONValue) throws -> String {
        let file = try MappedFile(path: path)
        return withExtendedLifetime(file) {
            Array(notes.text.utf8).withUnsafeBytes { SHA256Sum.of($0, file.bytes) }
        }
    }

    /// Writes an entry, unless a whole one is there.
    private func write(
        _ key: StoreKey, notes: JSONValue, ledger: inout Ledger, content: (String) throws -> Void
    ) throws {
        let stem = stem(key.kind, key.hash)
        try StoreLock.hold(FilePath.folder(of: stem)) {
            if case .whole = Self.check(stem, kind: key.kind, hash: key.hash) { return }
            let path = "\(stem).\(key.kind.fileExtension)"
            Files.remove(stem + ".json")
            do {
                try content(path)
                let sidecar = Sidecar(
                    kind: key.kind.rawValue, description: key.description, notes: notes,
                    sha256: try Self.digest(path, notes: notes))
                // Not synced to the disk, which takes longer than many a value: what a power failure damages is found
                // when it is read.
                let text = "\(try JSONValue(encoding: sidecar).text)\n"
                try AtomicFile.write(text, to: stem + ".json", isSynced: false)
                ledger.bytes += text.utf8.count + (try MappedFile(path: path).bytes.count)
            } catch let error as FileFormatError {
                throw UserError(
                    "\(error.path): the store cannot be written (\(error.problem)); free some disk space, or choose another "
                        + "with --store")
            }
        }
    }
}
