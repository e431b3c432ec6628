import Hummingbird
import Synchronization

/// Reads bodies within a limit and a time, and leaves those that are refused.
final class BodyReader: Sendable {
    /// More of a body that nobody wants is not read to keep its connection.
    private static let worthDraining = 64 << 10

    private let isTaken = Atomic(false)
    private let endsConnection = Atomic(false)

    /// Whether a part of the body was left: nothing more can come on the connection.
    var hasAbandoned: Bool { endsConnection.load(ordering: .relaxed) }

    /// The whole body of a request.
    /// - Throws: ``WebError`` for one that is too long, comes too slowly or is not well-formed.
    func bytes(of request: Request, limit: Int, until deadline: ContinuousClock.Instant) async throws -> ByteBuffer {
        isTaken.store(true, ordering: .relaxed)
        let tooLong = WebError(
            .contentTooLarge, "the body is longer than \(limit) bytes; send less at a time, or smaller images")
        guard request.announcedLength ?? 0 <= limit else {
            await abandon(request.body)
            throw tooLong
        }
        return try await withThrowingTaskGroup(of: ByteBuffer.self) { group in
            group.addTask { [self] in
                var iterator = request.body.makeAsyncIterator()
                var bytes = ByteBuffer()
                do {
                    while let part = try await iterator.next() {
                        guard bytes.readableBytes + part.readableBytes <= limit else {
                            await abandon(&iterator)
                            throw tooLong
                        }
                        bytes.writeImmutableBuffer(part)
                    }
                } catch let error as WebError {
                    throw error
                } catch {
                    throw WebError(.badRequest, "the body ends early, or its parts are not as HTTP has them")
                }
                return bytes
            }
            group.addTask {
                try await Task.sleep(until: deadline, clock: .continuous)
                throw WebError(.requestTimeout, "the body did not arrive in time; send it faster, or a smaller one")
            }
            defer { group.cancelAll() }
            do {
                return try await group.next() ?? ByteBuffer()
            } catch let error as WebError where error.status == .requestTimeout {
                endsConnection.store(true, ordering: .relaxed)
                throw error
            }
        }
    }

    /// Leaves the body of a request that was refused unread, where it may be long: the connection ends behind the
    /// response.
    func abandonUnread(_ request: Request) async {
        guard !isTaken.load(ordering: .relaxed), request.announcedLength ?? .max > Self.worthDraining else { return }
        await abandon(request.body)
    }

    /// In a task of its own, since that is cancelled, and the connection's goes on to answer.
    private func abandon(_ body: RequestBody) async {
        await Task {
            var iterator = body.makeAsyncIterator()
            await abandon(&iterator)
        }.value
    }

    /// The stream of a connection ends where a task that waits for it is cancelled.
    private func abandon(_ iterator: inout RequestBody.AsyncIterator) async {
        withUnsafeCurrentTask { $0?.cancel() }
        _ = try? await iterator.next()
        endsConnection.store(true, ordering: .relaxed)
    }
}

extension Request {
    /// The length of the body as its headers have it; nil for one in parts whose length nobody knows.
    var announcedLength: Int? {
        if let text = headers[.contentLength] { return Int(text) }
        return headers[.transferEncoding] == nil ? 0 : nil
    }
}
