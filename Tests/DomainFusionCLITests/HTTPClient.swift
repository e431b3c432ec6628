import Foundation
import Foundations

/// A client of HTTP that sends whatever it is told to, on a connection of its own for each request.
struct HTTPClient: Sendable {
    /// What a server answered.
    struct Answer {
        let status: Int
        /// In lower case.
        let headers: [String: String]
        let body: String

        /// The body as JSON; nil for anything else.
        var json: JSONValue? { JSONValue(json: body.utf8) }
        /// What the server says is wrong; nil where nothing is.
        var error: String? { json?["error"]?.string }

        init?(_ bytes: [UInt8]) {
            let text = String(decoding: bytes, as: UTF8.self)
            guard let end = text.range(of: "\r\n\r\n") else { return nil }
            let lines = text[..<end.lowerBound].components(separatedBy: "\r\n")
            let words = lines[0].split(separator: " ")
            guard words.count > 1, let status = Int(words[1]) else { return nil }
            self.status = status
            body = String(text[end.upperBound...])
            let pairs = lines.dropFirst().compactMap { line -> (String, String)? in
                guard let colon = line.firstIndex(of: ":") else { return nil }
                let value = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
                return (line[..<colon].lowercased(), value)
            }
            headers = Dictionary(pairs) { $1 }
        }
    }

    let port: Int
    var token = ""

    /// A connection to the server, -1 where there is none.
    func connect() -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { Foundation.connect(descriptor, $0, size) }
        }
        var patience = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        guard status == 0 else {
            close(descriptor)
            return -1
        }
        return descriptor
    }

    /// Sends as much as the server takes.
    func write(_ bytes: [UInt8], to descriptor: Int32) {
        var rest = bytes[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
            guard sent > 0 else { return }
            rest = rest.dropFirst(sent)
        }
    }

    /// All that the server sends until it ends the connection.
    func read(_ descriptor: Int32) -> Answer? {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = recv(descriptor, &part, part.count, 0), count > 0 { bytes += part[..<count] }
        close(descriptor)
        return Answer(bytes)
    }

    /// The answer to bytes that may be no request; nil for none.
    func answer(raw bytes: [UInt8]) -> Answer? {
        let descriptor = connect()
        guard descriptor >= 0 else { return nil }
        write(bytes, to: descriptor)
        return read(descriptor)
    }

    /// The head of a request.
    func head(_ method: String, _ path: String, _ headers: [String]) -> [UInt8] {
        let own = ["\(method) \(path) HTTP/1.1", "Host: localhost", "Connection: close"]
        let shown = token.isEmpty ? [] : ["Authorization: Bearer \(token)"]
        return Array(((own + shown + headers).joined(separator: "\r\n") + "\r\n\r\n").utf8)
    }

    func get(_ path: String, method: String = "GET") -> Answer? { answer(raw: head(method, path, [])) }

    func post(_ path: String, _ type: String?, _ body: [UInt8], headers: [String] = []) -> Answer? {
        let types = type.map { ["Content-Type: \($0)"] } ?? []
        return answer(raw: head("POST", path, ["Content-Length: \(body.count)"] + types + headers) + body)
    }

    /// A form of files.
    func post(_ path: String, images: [(name: String, bytes: [UInt8])]) -> Answer? {
        post(path, Self.formType, Self.form(images))
    }

    static let formType = "multipart/form-data; boundary=xyz"

    static func form(_ images: [(name: String, bytes: [UInt8])]) -> [UInt8] {
        images.flatMap { name, bytes in
            Array("--xyz\r\nContent-Disposition: form-data; name=\"image\"; filename=\"\(name)\"\r\n\r\n".utf8) + bytes
                + Array("\r\n".utf8)
        } + Array("--xyz--\r\n".utf8)
    }
}
