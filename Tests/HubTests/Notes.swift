import Foundation
import Hub

/// What a download has reported.
final class Notes: @unchecked Sendable {  // variables are guarded by the lock
    private let lock = NSLock()
    private var notes: [String] = []
    private var most = 0

    var lines: [String] { lock.withLock { notes } }
    /// The most bytes of `unet/` that were reported.
    var bytes: Int { lock.withLock { most } }

    func add(_ event: HubDownload.Event) {
        lock.withLock {
            switch event {
            case .note(let line): notes.append(line)
            case .progress(let file, let bytes, _) where file.hasPrefix("unet/diff"): most = max(most, bytes)
            default: break
            }
        }
    }
}
