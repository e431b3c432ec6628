import Foundation
import Foundations

/// Work on a folder that lies in pieces. Every process that is at it, on one machine or several, takes the next piece that nobody
/// has; the piece of a process that was killed is taken over. What a piece gave is a file.
struct SharedPieces<Piece: Codable> {
    private let folder: String
    /// Number of pieces.
    let count: Int

    /// - Throws: a one-line error for a folder that cannot be written.
    init(_ folder: String, count: Int) throws {
        self.folder = "\(folder)/.pieces"
        self.count = count
        try AtomicFile.makeFolder(self.folder)
    }

    private func stem(_ piece: Int) -> String { "\(folder)/\(String(format: "%07d", piece))" }

    /// What a piece gave that is done; nil for one that is not, or whose file is damaged.
    private func found(_ piece: Int) -> Piece? {
        Files.contents("\(stem(piece)).json").flatMap { JSONValue(json: $0) }.flatMap {
            try? $0.decoded(as: Piece.self)
        }
    }

    /// Makes the pieces that nobody has made, until all are there; waits for those that other processes are at.
    /// - Parameters:
    ///   - poll: called between pieces; what it throws ends the work.
    ///   - done: told of every piece that is there, in whatever order.
    /// - Throws: what `make` and `poll` throw, or a one-line error of the folder.
    func complete(
        poll: () throws -> Void, done: (Piece) -> Void, make: (_ piece: Int) throws -> Piece
    ) throws {
        /// Goes over pieces once.
        /// - Returns: those that other processes are at.
        func pass(_ pieces: some Sequence<Int>) throws -> [Int] {
            var waiting: [Int] = []
            for piece in pieces {
                try poll()
                if let found = found(piece) {
                    done(found)
                } else if let claim = try FileClaim("\(stem(piece)).lock") {
                    done(
                        try withExtendedLifetime(claim) {
                            // It may have been done between the two questions.
                            if let found = found(piece) { return found }
                            let made = try make(piece)
                            try AtomicFile.write(JSONValue(encoding: made).text + "\n", to: "\(stem(piece)).json")
                            return made
                        })
                } else {
                    waiting.append(piece)
                }
            }
            return waiting
        }
        var waiting = try pass(0..<count)
        while !waiting.isEmpty {
            let before = waiting.count
            waiting = try pass(waiting)
            if waiting.count == before { usleep(500_000) }
        }
    }

    /// What all pieces gave, in order.
    /// - Throws: `UserError` for one that is gone.
    func all() throws -> [Piece] {
        try (0..<count).map { piece in
            guard let found = found(piece) else {
                throw UserError("\(stem(piece)).json: gone or damaged; run the command again")
            }
            return found
        }
    }
}
