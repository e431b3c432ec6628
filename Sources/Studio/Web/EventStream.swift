import Foundations
import Hummingbird
import Synchronization

/// Where the news of a page come from.
protocol NewsSource: Sendable {
    /// The parts of the page that changed since the last call, by their ids, and whether no more will.
    func next() async throws -> (parts: [String: String], isLast: Bool)
}

/// A response that tells a page its news as long as it is open.
enum EventStream {
    /// How often news are looked for.
    private static let pace = Duration.milliseconds(500)
    /// The longest time without a word.
    private static let silence = Duration.seconds(15)

    /// A stream that ends with its source, with the server, or when nobody reads it any more.
    static func response(to request: Request, place: StreamPlaces.Place, source: some NewsSource) -> Response {
        let last = request.headers[.lastEventID].flatMap { Int($0) } ?? 0
        let body = ResponseBody { writer in
            let isGone = Flag()
            try await request.body.consumeWithInboundCloseHandler { _ in
                var number = last
                var spoken = ContinuousClock.now
                try await writer.write(ByteBuffer(string: EventText.retry))
                while !isGone.isSet, !Task.isCancelled, Interruption.current == nil {
                    let news = try await source.next()
                    if !news.parts.isEmpty {
                        number += 1
                        try await writer.write(ByteBuffer(string: EventText.event(number, news.parts)))
                        spoken = .now
                    } else if spoken.duration(to: .now) > silence {
                        try await writer.write(ByteBuffer(string: EventText.comment))
                        spoken = .now
                    }
                    if news.isLast {
                        try await writer.write(ByteBuffer(string: EventText.end))
                        break
                    }
                    try await Task.sleep(for: pace)
                }
                try await writer.finish(nil)
            } onInboundClosed: {
                isGone.set()
            }
            withExtendedLifetime(place) {}
        }
        return Response(
            status: .ok, headers: [.contentType: "text/event-stream; charset=utf-8", .cacheControl: "no-store"],
            body: body)
    }

    /// Whether something has happened, for several threads.
    private final class Flag: Sendable {
        private let value = Atomic(false)
        var isSet: Bool { value.load(ordering: .relaxed) }
        func set() { value.store(true, ordering: .relaxed) }
    }
}
