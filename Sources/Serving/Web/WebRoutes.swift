import Hummingbird
import Synchronization

/// The handlers of a server, by path and method.
final class WebRoutes: Sendable {
    private let table = Mutex<[String: [HTTPRequest.Method: WebServer.Handler]]>([:])

    func add(_ method: HTTPRequest.Method, _ path: String, _ handler: @escaping WebServer.Handler) {
        table.withLock { $0[path, default: [:]][method] = handler }
    }

    var all: [(path: String, handlers: [HTTPRequest.Method: WebServer.Handler])] {
        table.withLock { table in table.map { ($0.key, $0.value) } }
    }
}
