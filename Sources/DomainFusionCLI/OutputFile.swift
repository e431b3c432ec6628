import ArgumentParser
import DomainGeneralization
import Foundation
import Foundations

/// The file that a command's result goes to, looked at before the work.
enum OutputFile {
    /// - Parameter ending: what the file's name must end with, as `.png`.
    /// - Throws: `ValidationError` for another name, ``UserError`` where no file can be made.
    static func check(_ path: String, ending: String? = nil) throws {
        if let ending, !path.lowercased().hasSuffix(ending) {
            throw ValidationError("--output: '\(path)' is no \(ending) file, which the result is")
        }
        let folder = FilePath.folder(of: path)
        guard Files.isFolder(folder) else {
            throw UserError("\(path): cannot be written: no folder '\(folder)'; make it first")
        }
        guard FilePath.withSystemPath(folder, { access($0, W_OK) }) == 0 else {
            throw UserError("\(path): cannot be written; choose a folder that you may write to")
        }
        if Files.isFolder(path) {
            throw UserError("\(path): a folder; give the name of a file")
        }
    }
}
