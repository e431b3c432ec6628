import Hummingbird
import NIOCore

/// What handlers of one request share.
public struct WebContext: RequestContext {
    /// The router's part.
    public var coreContext: CoreRequestContextStorage
    /// Reads the request's body, once.
    let reader = BodyReader()
    /// The server's longest body, in bytes.
    var bodyLimit = 0

    /// The context of a request that has come in.
    public init(source: Source) {
        coreContext = CoreRequestContextStorage(source: source)
    }

    /// The whole body of the request.
    /// - Parameter deadline: when it must have arrived.
    /// - Throws: ``WebError`` for one that is longer than the server takes, comes too slowly or is not well-formed.
    public func body(of request: Request, until deadline: ContinuousClock.Instant) async throws -> [UInt8] {
        let buffer = try await reader.bytes(of: request, limit: bodyLimit, until: deadline)
        return Array(buffer.readableBytesView)
    }
}
