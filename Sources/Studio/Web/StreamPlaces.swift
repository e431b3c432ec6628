import Serving
import Synchronization

/// How many streams of events may be open at a time.
final class StreamPlaces: Sendable {
    private let limit: Int
    private let taken = Mutex(0)

    init(_ limit: Int) { self.limit = limit }

    /// Takes a place, which is free again when the value is gone.
    /// - Throws: ``WebError`` where all are taken.
    func take() throws -> Place {
        let isFree = taken.withLock { taken in
            guard taken < limit else { return false }
            taken += 1
            return true
        }
        guard isFree else {
            throw WebError.busy("\(limit) pages are watched already; close one, or reload this one to see news")
        }
        return Place(self)
    }

    /// One place.
    final class Place: Sendable {
        private let places: StreamPlaces

        fileprivate init(_ places: StreamPlaces) { self.places = places }

        deinit { places.taken.withLock { $0 -= 1 } }
    }
}
