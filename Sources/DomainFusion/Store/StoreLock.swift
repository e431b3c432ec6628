import DomainGeneralization
import Foundation
import Foundations
import Torch

/// Lets one writer at a time into a folder of the store, among threads and processes; a killed process lets go.
enum StoreLock {
    /// Runs `body` while holding the folder, which is made where it is missing.
    /// - Throws: `UserError` naming the folder when it cannot be written; what `body` throws.
    static func hold<Result>(_ folder: String, _ body: () throws -> Result) throws -> Result {
        try? AtomicFile.makeFolder(folder)
        let descriptor = FilePath.withSystemPath("\(folder)/.lock") { open($0, O_RDWR | O_CREAT | O_CLOEXEC, 0o644) }
        guard descriptor >= 0 else {
            throw UserError(
                "\(folder): the store cannot be written (\(String(cString: strerror(errno)))); choose another with "
                    + "--store, or correct its permissions")
        }
        defer { close(descriptor) }
        while flock(descriptor, LOCK_EX) != 0 {
            guard errno == EINTR else {
                throw UserError(
                    "\(folder): the store cannot be locked (\(String(cString: strerror(errno)))); choose another with "
                        + "--store, on a local disk")
            }
        }
        return try body()
    }
}
