import Foundation

/// Looks at files and folders by paths whose names need not be UTF-8; see ``FilePath``.
public enum Files {
    /// Whether there is something at a path; a link counts by its target.
    public static func exists(_ path: String) -> Bool { mode(path) != nil }

    /// Whether a path names a folder; a link counts by its target.
    public static func isFolder(_ path: String) -> Bool { mode(path).map { $0 & S_IFMT == S_IFDIR } ?? false }

    /// The names in a folder without `.` and `..`, in the order of their code points, as Python sorts them; nil for a folder
    /// that cannot be read.
    ///
    /// The order is never the file system's: what is made of a list is the same on every machine.
    public static func names(in folder: String) -> [String]? {
        guard let stream = FilePath.withSystemPath(folder, { opendir($0) }) else { return nil }
        defer { closedir(stream) }
        var names: [String] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                guard errno == 0 else { return nil }
                return sortedByCodePoint(names)
            }
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: MemoryLayout.size(ofValue: $0.pointee)) {
                    FilePath.text($0)
                }
            }
            if name != ".", name != ".." { names.append(name) }
        }
    }

    /// The bytes of a file; nil for one that cannot be read. A pipe is read to its end.
    public static func contents(_ path: String) -> Data? {
        let descriptor = FilePath.withSystemPath(path) { open($0, O_RDONLY | O_CLOEXEC) }
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else { return nil }
        let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
        guard let data = try? handle.readToEnd() else { return status.st_size == 0 ? Data() : nil }
        return data
    }

    /// The path of the file itself, links in it followed; the path as it is where there is no such file.
    public static func realPath(_ path: String) -> String {
        guard let real = FilePath.withSystemPath(path, { realpath($0, nil) }) else { return path }
        defer { free(real) }
        return FilePath.text(real)
    }

    /// Removes a file, or a folder with all that is in it, as far as that can be done; a link goes, not what it leads to.
    public static func remove(_ path: String) {
        var status = stat()
        guard FilePath.withSystemPath(path, { lstat($0, &status) }) == 0 else { return }
        guard status.st_mode & S_IFMT == S_IFDIR else { return FilePath.withSystemPath(path) { _ = unlink($0) } }
        for name in names(in: path) ?? [] { remove("\(path)/\(name)") }
        FilePath.withSystemPath(path) { _ = rmdir($0) }
    }

    /// Renames a file or a folder; what has the new name is replaced as `rename` does.
    /// - Returns: whether that succeeded; `errno` says why not.
    @discardableResult
    public static func move(_ path: String, to new: String) -> Bool {
        FilePath.withSystemPath(path) { old in FilePath.withSystemPath(new) { rename(old, $0) } } == 0
    }

    private static func mode(_ path: String) -> mode_t? {
        var status = stat()
        return FilePath.withSystemPath(path) { stat($0, &status) } == 0 ? status.st_mode : nil
    }
}

/// Names in the order of their code points, as Python sorts them.
public func sortedByCodePoint(_ names: [String]) -> [String] {
    names.sorted { $0.unicodeScalars.lexicographicallyPrecedes($1.unicodeScalars) }
}
