import Foundation
import Foundations

/// The walk that lists an ``ImageFolder``.
struct FolderScan {
    static let imageExtensions: Set<String> = ["jpg", "jpeg", "png", "webp", "bmp"]
    /// Of images in formats that are not read.
    static let unreadExtensions: Set<String> = [
        "tif", "tiff", "gif", "heic", "heif", "avif", "jxl", "jp2", "jfif", "ppm", "pgm", "tga", "svg", "dng", "cr2",
        "nef",
        "arw",
    ]

    let root: String
    private(set) var domains: [String] = []
    private(set) var classes: [String] = []
    private(set) var items: [ImageFolder.Item] = []
    private(set) var otherFiles: [String] = []
    private(set) var leftOut: [String] = []
    /// Folders that archives and file systems leave behind.
    private static let strays: Set<String> = ["__MACOSX", "@eaDir", "lost+found"]

    init(root: String) {
        self.root = root
    }

    mutating func run() throws {
        guard try isFolder(root) else {
            guard !Files.exists(root) else {
                throw UserError("\(root): a file, not a folder; give the folder that holds the domain folders")
            }
            let remedy = KnownDataset.named(root)?.remedy() ?? "check the path, or see 'domainfusion data list'"
            throw UserError("\(root): no such folder; \(remedy)")
        }
        domains = try folders(in: root)
        guard domains.count > 1 else {
            throw UserError(
                "\(root): \(domains.isEmpty ? "no domain folder" : "a single domain folder ('\(domains[0])')"); a data "
                    + "set has two or more, each with class folders: \(root)/<domain>/<class>/<image>")
        }
        var classFolders: [[String]] = []
        for domain in domains { classFolders.append(try folders(in: "\(root)/\(domain)")) }
        classes = sortedByCodePoint(Array(Set(classFolders.joined())))
        let labels = Dictionary(uniqueKeysWithValues: zip(classes, classes.indices))
        let notes = try ManifestNotes(root: root)
        let duplicates = try DuplicateList(root: root)

        for (environment, domain) in domains.enumerated() {
            guard !classFolders[environment].isEmpty else {
                throw UserError(
                    "\(root)/\(domain): this domain has no class folder; put its images into \(root)/\(domain)/<class>/, "
                        + "or remove the folder")
            }
            for name in classFolders[environment] {
                let folder = "\(root)/\(domain)/\(name)"
                let before = otherFiles.count
                let files = try images(in: folder, ancestors: [])
                guard !files.isEmpty else { throw noImage(in: folder, others: otherFiles[before...]) }
                for file in files {
                    guard !duplicates.contains(file.dropFirst(root.count + 1)) else {
                        leftOut.append(file)
                        continue
                    }
                    let note = notes[file.dropFirst(root.count + 1)]
                    let stem = FilePath.stem(of: file)
                    items.append(
                        ImageFolder.Item(
                            path: file, label: labels[name] ?? 0, environment: environment, name: note?.name ?? stem,
                            isUnseen: note?.unseen ?? false))
                }
            }
        }
    }

    private func noImage(in folder: String, others: ArraySlice<String>) -> UserError {
        let unread = others.filter(Self.isUnread)
        guard !unread.isEmpty else {
            return UserError(
                "\(folder): no image in this class folder (jpg, jpeg, png, webp, bmp); add some, or remove it")
        }
        return UserError(
            "\(folder): no image in this class folder that is read: \(Self.endings(unread)) files are not; convert them to png "
                + "or jpg, or remove the folder")
    }

    /// Whether a file is an image in a format that is not read, by its name.
    static func isUnread(_ path: String) -> Bool {
        unreadExtensions.contains(FilePath.fileExtension(of: path).lowercased())
    }

    /// The endings of files: `.gif, .tif`.
    static func endings(_ paths: some Sequence<String>) -> String {
        Set(paths.map { "." + FilePath.fileExtension(of: $0).lowercased() }).sorted().joined(separator: ", ")
    }

    /// The folders in a folder, without hidden ones and those that archives and tools leave behind.
    private func folders(in path: String) throws -> [String] {
        let own = Files.realPath(path)
        return try entries(of: path).filter { name in
            let child = "\(path)/\(name)"
            guard !Self.strays.contains(name), try isFolder(child) else { return false }
            try refuseLoop(child, ancestors: [Files.realPath(root), own])
            return true
        }
    }

    /// The image files in a class folder and the folders in it.
    private mutating func images(in folder: String, ancestors: [String]) throws -> [String] {
        let ancestors = ancestors + [Files.realPath(folder)]
        var files: [String] = []
        var deeper: [String] = []
        for name in try entries(of: folder) {
            let path = "\(folder)/\(name)"
            if Self.imageExtensions.contains(FilePath.fileExtension(of: name).lowercased()) {
                files.append(path)
            } else if try isFolder(path) {
                try refuseLoop(path, ancestors: ancestors)
                deeper.append(path)
            } else {
                otherFiles.append(path)
            }
        }
        for path in deeper { files += try images(in: path, ancestors: ancestors) }
        return files
    }

    private func refuseLoop(_ path: String, ancestors: [String]) throws {
        if ancestors.contains(Files.realPath(path)) { throw loop(path) }
    }

    private func loop(_ path: String) -> UserError {
        UserError("\(path): a loop of symbolic links; remove the link")
    }

    /// The names in a folder, sorted, without hidden ones.
    private func entries(of path: String) throws -> [String] {
        guard let names = Files.names(in: path)?.filter({ !$0.hasPrefix(".") }) else {
            throw UserError("\(path): the folder cannot be read; check its permissions")
        }
        // Equal to Swift are also names that are written with other code points: é as one, or as e and an accent.
        var seen: Set<String> = []
        if let twin = names.first(where: { !seen.insert($0).inserted }) {
            throw UserError("\(path): two names in this folder that look the same (\(twin)); rename one")
        }
        return names
    }

    /// Whether the path is a folder, a link to one included.
    private func isFolder(_ path: String) throws -> Bool {
        var status = stat()
        guard FilePath.withSystemPath(path, { stat($0, &status) }) == 0 else {
            if errno == ELOOP { throw loop(path) }
            guard path != root else { return false }
            // It was listed: what is there no more, or never was.
            if FilePath.withSystemPath(path, { lstat($0, &status) }) == 0 {
                throw UserError("\(path): a broken link; mount its target, or remove it")
            }
            throw UserError("\(path): was there a moment ago, and is no more; leave the data set alone meanwhile")
        }
        return status.st_mode & S_IFMT == S_IFDIR
    }
}

/// What an optional `manifest.jsonl` says about images, by path relative to the data set's folder.
private struct ManifestNotes {
    struct Note: Decodable {
        let path: String
        let name: String?
        let unseen: Bool?
    }

    private var notes: [Substring: Note] = [:]

    init(root: String) throws {
        let path = "\(root)/manifest.jsonl"
        guard Files.exists(path) else { return }
        guard let data = Files.contents(path) else {
            throw UserError("\(path): cannot be read; check its permissions")
        }
        let decoder = JSONDecoder()
        for (index, line) in data.split(separator: UInt8(ascii: "\n")).enumerated() {
            guard let note = try? decoder.decode(Note.self, from: line) else {
                throw UserError(
                    "\(path): line \(index + 1) is no object with a \"path\"; prepare the data set again, or remove the "
                        + "manifest (then no item counts as unseen)")
            }
            notes[note.path[...]] = note
        }
    }

    subscript(path: Substring) -> Note? { notes[path] }
}
