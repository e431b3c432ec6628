import CTorch
import Foundations

/// Whole numbers that all processes of a group see and change (c10d's TCPStore).
final class SharedNumbers: @unchecked Sendable {  // the store locks itself
    let handle: ct_store

    /// Connects to the numbers.
    /// - Parameters:
    ///   - serves: whether this connection holds them, unless the launcher does.
    ///   - patience: seconds that the connection, and later each call, may take.
    /// - Throws: ``TorchError`` when nobody holds them there.
    init(_ place: LaunchEnvironment, serves: Bool, patience: Double) throws {
        handle = try withTorchErrors {
            var store: ct_store?
            check(
                ct_store_open(
                    place.host, Int32(place.port), serves && !place.isServedByLauncher,
                    "domainfusion/\(place.attempt)", patience, &store),
                "meeting")
            return store
        }!
    }

    deinit { ct_store_close(handle) }

    /// Adds to a number, 0 at first, and gives the sum.
    /// - Throws: ``TorchError`` when those who hold the numbers cannot be reached.
    @discardableResult
    func add(_ value: Int, to name: String) throws -> Int {
        try withTorchErrors {
            var sum: Int64 = 0
            check(ct_store_add(handle, name, Int64(value), &sum), "the processes' table")
            return Int(sum)
        }
    }
}
