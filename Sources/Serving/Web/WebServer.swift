import Foundation
import Foundations
import Hummingbird
import Logging
import Metrics
import NIOCore
import ServiceLifecycle

/// A web server of plain HTTP/1.1 that ends in order.
///
/// It knows nothing of what is served: health, limits, the token, errors and metrics are its own, everything else is a
/// route.
///
/// ```swift
/// let server = WebServer(WebSettings(), metrics: PrometheusMetrics())
/// server.on(.get, "/hello") { _, _ in Response(json: ["hello": "world"]) }
/// try await server.run { address in print("listening at \(address)") }
/// ```
///
/// A signal that `Interruption` knows ends it: no connection is accepted any more, requests that have come are
/// answered, and ``run(whenListening:)`` returns. What answers without end, such as events, must look for the signal, too.
public final class WebServer: Sendable {
    /// What a request's handler is.
    public typealias Handler = @Sendable (Request, WebContext) async throws -> Response

    /// Addresses that need no token.
    static let openPaths: Set = ["/healthz", "/readyz"]
    private static let methods: [HTTPRequest.Method] = [.get, .put, .post, .delete, .patch, .options, .head]

    private let settings: WebSettings
    private let metrics: any MetricsFactory
    private let browser: BrowserAccess?
    private let routes = WebRoutes()

    /// A server that does not listen yet.
    public convenience init(_ settings: WebSettings, metrics: any MetricsFactory) {
        self.init(settings, metrics: metrics, browser: nil)
    }

    /// A server that does not listen yet, for people who open it in a browser.
    package init(_ settings: WebSettings, metrics: any MetricsFactory, browser: BrowserAccess?) {
        self.settings = settings
        self.metrics = metrics
        self.browser = browser
        on(.get, "/healthz") { _, _ in Response(json: ["status": "ok"]) }
    }

    /// Answers requests of a method at a path, such as `/v1/runs/{name}`; another method at the same path is refused
    /// with 405.
    public func on(_ method: HTTPRequest.Method, _ path: String, _ handler: @escaping Handler) {
        routes.add(method, path, handler)
    }

    /// Listens and answers until a signal ends it.
    /// - Parameter whenListening: called once with the address, such as `http://127.0.0.1:8080`; what it throws ends the
    ///   server.
    /// - Throws: `UserError` for a host or a port that cannot be had, and what `whenListening` throws.
    public func run(whenListening: @escaping @Sendable (String) async throws -> Void) async throws {
        let (listening, announce) = AsyncStream.makeStream(of: Int.self)
        let bodyLimit = settings.bodyLimit
        let silent = Logger(label: "web") { _ in SwiftLogNoOpLogHandler() }
        let application = Application(
            router: router(),
            server: .http1(
                configuration: .init(
                    additionalChannelHandlers: [ContinueHandler(bodyLimit: bodyLimit)],
                    // Longer than a body may take, whose sender is told that time is up.
                    idleTimeout: .milliseconds(Int64(2 * settings.timeout * 1000)),
                    httpDecoderConfiguration: .init(
                        maxHeaderFieldSize: 16 << 10, maxHeaderListSize: 32 << 10, maxHeaderFieldCount: 100))),
            configuration: .init(
                address: .hostname(settings.host, port: settings.port),
                availableConnectionsDelegate: .maximum(WebSettings.connectionLimit, logger: silent)),
            onServerRunning: { channel in announce.yield(channel.localAddress?.port ?? 0) }, logger: silent)
        var configuration = ServiceGroupConfiguration(services: [application], logger: silent)
        // What is answered has begun before the signal, and ends by its own time.
        configuration.maximumGracefulShutdownDuration = .seconds(2 * settings.timeout + 5)
        let services = ServiceGroup(configuration: configuration)
        Interruption.watch()
        let failure = await withTaskGroup(of: Ended.self) { group in
            group.addTask { [settings] in
                defer { announce.finish() }
                do { try await services.run() } catch { return .server(settings.explained(error)) }
                return .server(nil)
            }
            group.addTask { [settings] in
                for await port in listening {
                    do {
                        try await whenListening(settings.address(port: port))
                    } catch {
                        await services.triggerGracefulShutdown()
                        return .start(error)
                    }
                }
                return .start(nil)
            }
            group.addTask {
                while Interruption.current == nil, (try? await Task.sleep(for: .milliseconds(50))) != nil {}
                await services.triggerGracefulShutdown()
                return .signals
            }
            var failures: [any Error] = []
            for await ended in group {
                switch ended {
                case .server(let failure):
                    failures += failure.map { [$0] } ?? []
                    group.cancelAll()
                case .start(let failure): failures += failure.map { [$0] } ?? []
                case .signals: break
                }
            }
            return failures.first
        }
        if let failure { throw failure }
    }

    /// What runs at a time while a server does, and how it ended.
    private enum Ended {
        case server((any Error)?)
        case start((any Error)?)
        case signals
    }

    private func router() -> Router<WebContext> {
        let router = Router(context: WebContext.self)
        router.add(middleware: RequestMetrics(metrics: metrics))
        if let browser { router.add(middleware: BrowserHeaders(headers: browser.headers)) }
        router.add(middleware: ErrorAnswers(browser: browser))
        if let token = settings.token { router.add(middleware: TokenGate(token: token, browser: browser)) }
        if browser != nil { router.add(middleware: SameSiteGate()) }
        let bodyLimit = settings.bodyLimit
        for (path, handlers) in routes.all {
            let known = handlers.keys.map(\.rawValue).sorted().joined(separator: ", ")
            for method in Self.methods {
                router.on(RouterPath(path), method: method) { request, context in
                    var context = context
                    context.bodyLimit = bodyLimit
                    if method == .head, let handler = handlers[.get] {
                        return try await handler(request, context).createHeadResponse()
                    }
                    guard let handler = handlers[method] else {
                        throw WebError(
                            .methodNotAllowed, "\(method.rawValue) does nothing at this address; use \(known)",
                            headers: [.allow: known])
                    }
                    return try await handler(request, context)
                }
            }
        }
        return router
    }
}

extension WebSettings {
    /// The server's address as a browser takes it.
    func address(port: Int) -> String { "http://\(host.contains(":") ? "[\(host)]" : host):\(port)" }

    /// Why the server cannot listen, in a line with the remedy.
    func explained(_ error: any Error) -> any Error {
        switch error {
        case let error as IOError where error.errnoCode == EADDRINUSE:
            UserError("--port: \(port) is in use on \(host); choose another, or 0 for any that is free")
        case let error as IOError where error.errnoCode == EACCES:
            UserError("--port: \(port) may not be opened by this user; choose one from 1024 on")
        case let error as IOError where error.errnoCode == EADDRNOTAVAIL:
            UserError(
                "--host: \(host) is no address of this machine; choose 127.0.0.1, or 0.0.0.0 for all of its addresses")
        case is SocketAddressError:
            UserError(
                "--host: '\(host)' is no known host; choose 127.0.0.1, or 0.0.0.0 for all addresses of this machine")
        default: error
        }
    }
}
