import Foundations
import Hummingbird

extension Response {
    /// A response whose body is JSON, on one line.
    public init(json: JSONValue, status: HTTPResponse.Status = .ok) {
        self.init(text: json.text + "\n", type: "application/json", status: status)
    }

    /// A response whose body is text.
    /// - Parameter type: the media type.
    public init(text: String, type: String, status: HTTPResponse.Status = .ok) {
        self.init(
            status: status, headers: [.contentType: type, .xContentTypeOptions: "nosniff", .cacheControl: "no-store"],
            body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
    }
}
