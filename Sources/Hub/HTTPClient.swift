import CCurl
import Foundation

/// Requests by libcurl, one after the other on the calling thread; the connection is kept between them.
final class HTTPClient {
    /// Why a request brought no answer.
    enum Failure: Error, Equatable {
        /// No connection came about.
        case unreachable(String)
        /// The connection broke, or nothing came for too long.
        case broken(String)
        /// Never succeeds: an address or a certificate that is refused.
        case refused(String)
    }

    private let client: OpaquePointer
    private let stallSeconds: Double
    private let poll: () throws -> Void

    /// Longest body of an answer that nobody wants: read to its end, so that the connection can be kept.
    private static let longestUnwanted = 1 << 20

    /// - Parameters:
    ///   - stallSeconds: a transfer in which nothing comes for so long is broken off.
    ///   - poll: called about once a second; what it throws ends the request.
    init(stallSeconds: Double, poll: @escaping () throws -> Void) throws {
        guard let client = ccurl_open() else { throw Failure.refused("out of memory") }
        self.client = client
        self.stallSeconds = stallSeconds
        self.poll = poll
    }

    deinit { ccurl_close(client) }

    /// Follows no redirect.
    /// - Parameters:
    ///   - content: what is posted; empty for a GET request.
    ///   - accept: called once, before the body: whether it is wanted.
    ///   - receive: called with the body, piece by piece.
    /// - Throws: ``Failure``, or what a closure throws.
    func request(
        _ url: String, headers: [String], content: [UInt8] = [], accept: @escaping (HTTPHead) throws -> Bool,
        receive: @escaping (UnsafeRawBufferPointer) throws -> Void
    ) throws -> HTTPHead {
        let transfer = Transfer(stallSeconds: stallSeconds, accept: accept, receive: receive, poll: poll)
        let outcome = withExtendedLifetime(transfer) { perform(url, headers, content, transfer) }
        if let error = transfer.error { throw error }
        let reason = String(cString: ccurl_reason(client))
        switch outcome {
        case CCURL_DONE: break
        case CCURL_STOPPED where transfer.isUnwanted: break
        case CCURL_UNREACHABLE: throw Failure.unreachable(reason)
        case CCURL_REFUSED: throw Failure.refused(reason)
        default: throw Failure.broken(reason)
        }
        var head = try transfer.finish()
        head.redirect = ccurl_redirect(client).map { String(cString: $0) }
        return head
    }

    private func perform(
        _ url: String, _ headers: [String], _ content: [UInt8], _ transfer: Transfer
    ) -> ccurl_outcome {
        let lines = headers.map { strdup($0) }
        defer { lines.forEach { free($0) } }
        let pointers = lines.map { UnsafePointer($0) }
        return url.withCString { url in
            pointers.withUnsafeBufferPointer { headers in
                content.withUnsafeBufferPointer { bytes in
                    var request = ccurl_request()
                    request.url = url
                    request.content = bytes.baseAddress
                    request.content_length = bytes.count
                    request.headers = headers.baseAddress
                    request.header_count = headers.count
                    request.connect_seconds = 15
                    request.context = Unmanaged.passUnretained(transfer).toOpaque()
                    request.header = { context, line, length in
                        Transfer.of(context)?.header(UnsafeRawBufferPointer(start: line, count: length)) ?? false
                    }
                    request.body = { context, bytes, length in
                        Transfer.of(context)?.body(UnsafeRawBufferPointer(start: bytes, count: length)) ?? false
                    }
                    request.poll = { context in Transfer.of(context)?.poll() ?? false }
                    return ccurl_perform(client, &request)
                }
            }
        }
    }

    /// A request under way.
    private final class Transfer {
        private let stallSeconds: Double
        private let accept: (HTTPHead) throws -> Bool
        private let receive: (UnsafeRawBufferPointer) throws -> Void
        private let pollOutside: () throws -> Void
        private var lines: [String] = []
        private var head: HTTPHead?
        private var lastByte = DispatchTime.now()
        private var unwanted = 0
        private var isWanted = false
        /// What ended it.
        private(set) var error: (any Error)?

        /// Whether it was ended because its body is of no use.
        var isUnwanted: Bool { unwanted > HTTPClient.longestUnwanted }

        init(
            stallSeconds: Double, accept: @escaping (HTTPHead) throws -> Bool,
            receive: @escaping (UnsafeRawBufferPointer) throws -> Void, poll: @escaping () throws -> Void
        ) {
            self.stallSeconds = stallSeconds
            self.accept = accept
            self.receive = receive
            pollOutside = poll
        }

        static func of(_ context: UnsafeMutableRawPointer?) -> Transfer? {
            context.map { Unmanaged<Transfer>.fromOpaque($0).takeUnretainedValue() }
        }

        private func attempt(_ body: () throws -> Bool) -> Bool {
            do {
                return try body()
            } catch {
                self.error = error
                return false
            }
        }

        func header(_ bytes: UnsafeRawBufferPointer) -> Bool {
            lastByte = .now()
            let line = String(decoding: bytes, as: UTF8.self).trimmed
            // An interim answer (100) comes before the real one.
            if line.hasPrefix("HTTP/") { lines = [] }
            if !line.isEmpty { lines.append(line) }
            return true
        }

        func body(_ bytes: UnsafeRawBufferPointer) -> Bool {
            lastByte = .now()
            return attempt {
                _ = try finish()
                if isWanted {
                    try receive(bytes)
                    return true
                }
                unwanted += bytes.count
                return !isUnwanted
            }
        }

        func poll() -> Bool {
            attempt {
                try pollOutside()
                let silence = Double(DispatchTime.now().uptimeNanoseconds - lastByte.uptimeNanoseconds) / 1e9
                guard silence < stallSeconds else {
                    throw Failure.broken(String(format: "nothing came for %.0f s", stallSeconds))
                }
                return true
            }
        }

        /// The head, once all of it has come.
        func finish() throws -> HTTPHead {
            if let head { return head }
            let new = HTTPHead(lines: lines)
            head = new
            isWanted = try accept(new)
            return new
        }
    }
}
