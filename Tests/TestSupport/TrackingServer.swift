import Foundation
import Foundations

/// A server on loopback that answers as MLflow does, or misbehaves where it is told to. It keeps all that it was sent, repeated
/// values among them.
public final class TrackingServer: @unchecked Sendable {  // the variables are guarded by the lock
    /// How the server misbehaves.
    public enum Fault: Sendable, Equatable {
        /// This status, and JSON with a message.
        case status(Int)
        /// A page in place of JSON.
        case page
        /// Nothing comes.
        case silence
        /// Leads elsewhere.
        case redirect(String)
        /// Takes requests of this path, and breaks off before the answer; the others are answered.
        case lostAnswer(to: String)
    }

    /// A value as it came.
    public struct Value: Sendable, Hashable {
        /// The metric's name.
        public let key: String
        /// The step that it is of.
        public let step: Int
        /// The value.
        public let value: Double
    }

    /// What was sent of a run.
    public struct Run: Sendable {
        /// All values, in the order in which they came.
        public var values: [Value] = []
        /// Settings by name.
        public var settings: [String: String] = [:]
        /// Tags by name.
        public var tags: [String: String] = [:]
        /// The last status.
        public var status = "RUNNING"
    }

    private let lock = NSLock()
    private var socket: Int32 = -1
    private var runs: [Run] = []
    private var experiments: [String] = []
    private var fault: Fault?
    private var heads: [String] = []
    /// The port, the same after ``start()``.
    public private(set) var port: UInt16 = 0

    /// Starts a server on a free port.
    public init() throws {
        setenv("NO_PROXY", "127.0.0.1", 1)
        try start()
    }

    deinit { stop() }

    /// What `--track` takes.
    public var address: String { "mlflow=http://127.0.0.1:\(port)" }

    /// All runs, in the order in which they were begun.
    public var all: [Run] { lock.withLock { runs } }

    /// The lines before the bodies of the requests that came.
    public var requests: [String] { lock.withLock { heads } }

    /// Misbehaves from now on, or no more.
    public func misbehave(_ new: Fault?) { lock.withLock { fault = new } }

    /// Refuses connections from now on.
    public func stop() {
        lock.withLock {
            shutdown(socket, Int32(SHUT_RDWR))
            close(socket)
            socket = -1
        }
    }

    /// Takes connections again.
    public func start() throws {
        let new = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var yes: Int32 = 1
        setsockopt(new, SOL_SOCKET, SO_REUSEADDR, &yes, socklen_t(MemoryLayout<Int32>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = port.bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(new, $0, length) == 0 && listen(new, 16) == 0 && getsockname(new, $0, &length) == 0
            }
        }
        guard isBound else { throw UserError("no socket for the test's server") }
        port = UInt16(bigEndian: address.sin_port)
        lock.withLock { socket = new }
        Thread { [weak self] in
            while true {
                let connection = accept(new, nil, nil)
                guard connection >= 0 else { return }
                Thread { [weak self] in
                    self?.serve(connection)
                    close(connection)
                }.start()
            }
        }.start()
    }

    private func serve(_ connection: Int32) {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 65_536)
        let blank = Array("\r\n\r\n".utf8)
        while true {
            let count = recv(connection, &piece, piece.count, 0)
            guard count > 0 else { return }
            bytes += piece[..<count]
            guard let end = bytes.firstRange(of: blank) else { continue }
            let head = String(decoding: bytes[..<end.lowerBound], as: UTF8.self)
            let length = head.lowercased().firstMatch(of: /content-length: (\d+)/).flatMap { Int($0.1) } ?? 0
            guard bytes.count - end.upperBound >= length else { continue }
            return answer(head, Array(bytes[end.upperBound...]), connection)
        }
    }

    private func answer(_ head: String, _ body: [UInt8], _ connection: Int32) {
        let fault = lock.withLock {
            heads.append(head)
            return self.fault
        }
        func send(_ status: Int, _ text: String, header: String = "") {
            let answer =
                "HTTP/1.1 \(status) X\r\n\(header)Content-Length: \(text.utf8.count)\r\nConnection: close\r\n\r\n\(text)"
            _ = Foundation.send(connection, Array(answer.utf8), answer.utf8.count, Int32(MSG_NOSIGNAL))
        }
        switch fault {
        case .status(let status): send(status, #"{"error_code": "X", "message": "told to fail"}"#)
        case .page: send(200, "<html>hello</html>")
        case .silence: Thread.sleep(forTimeInterval: 30)
        case .redirect(let place): send(301, "", header: "Location: \(place)\r\n")
        default:
            let (status, value) = lock.withLock { result(head, JSONValue(json: body) ?? .null) }
            if case .lostAnswer(let path) = fault, head.contains("/\(path) ") { return }
            send(status, value.text)
        }
    }

    /// What MLflow does and answers.
    private func result(_ head: String, _ body: JSONValue) -> (Int, JSONValue) {
        let target = head.split(separator: " ").dropFirst().first.map(String.init) ?? ""
        let missing = (404, JSONValue.object(["error_code": "RESOURCE_DOES_NOT_EXIST", "message": "missing"]))
        func described(_ number: Int) -> JSONValue {
            let last = Dictionary(runs[number].values.map { ($0.key, $0.step) }) { max($0, $1) }
            return [
                "info": ["run_id": .string("run-\(number)"), "status": .string(runs[number].status)],
                "data": [
                    "metrics": .array(last.map { ["key": .string($0.key), "step": .int($0.value), "value": 0] })
                ],
            ]
        }
        func texts(_ name: String) -> [String: String] {
            let pairs = (body[name]?.array ?? []).compactMap { pair in
                pair["key"]?.string.flatMap { key in pair["value"]?.string.map { (key, $0) } }
            }
            return Dictionary(pairs) { $1 }
        }
        let id = body["run_id"]?.string ?? target.split(separator: "=").last?.removingPercentEncoding ?? ""
        let number = runs.indices.first { "run-\($0)" == id }
        guard let path = target.firstMatch(of: /^\/api\/2\.0\/mlflow\/([^?]*)/).map({ String($0.1) }) else {
            return missing
        }
        switch path {
        case "experiments/get-by-name":
            guard let place = experiments.firstIndex(of: id) else { return missing }
            return (200, ["experiment": ["experiment_id": .string("\(place)")]])
        case "experiments/create":
            experiments.append(body["name"]?.string ?? "")
            return (200, ["experiment_id": .string("\(experiments.count - 1)")])
        case "runs/search":
            let found = runs.indices.filter { number in
                runs[number].tags["domainfusion.id"].map { body["filter"]?.string?.contains("'\($0)'") ?? false }
                    ?? false
            }
            return (200, found.isEmpty ? [:] : ["runs": .array(found.map(described))])
        case "runs/create":
            runs.append(Run(tags: texts("tags")))
            return (200, ["run": described(runs.count - 1)])
        case "runs/get": return number.map { (200, ["run": described($0)]) } ?? missing
        case "runs/log-batch":
            guard let number else { return missing }
            runs[number].values += (body["metrics"]?.array ?? []).map {
                Value(key: $0["key"]?.string ?? "", step: $0["step"]?.int ?? 0, value: $0["value"]?.double ?? .nan)
            }
            runs[number].settings.merge(texts("params")) { $1 }
            runs[number].tags.merge(texts("tags")) { $1 }
            return (200, [:])
        case "runs/update":
            guard let number else { return missing }
            runs[number].status = body["status"]?.string ?? ""
            return (200, [:])
        default: return missing
        }
    }
}
