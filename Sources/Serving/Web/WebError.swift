import Foundations
import Hummingbird

/// Why a request is refused: a status, and one line for a person, which is sent as `{"error": "…"}`.
public struct WebError: Error, HTTPResponseError, CustomStringConvertible {
    /// The status of the response, 400…599.
    public let status: HTTPResponse.Status
    /// What is wrong and what to do about it.
    public let message: String
    /// Headers of the response beside those of its body.
    public let headers: HTTPFields

    /// A refusal with a reason.
    public init(_ status: HTTPResponse.Status, _ message: String, headers: HTTPFields = [:]) {
        self.status = status
        self.message = message
        self.headers = headers
    }

    /// A refusal of what would be done at another time: 503, with the seconds after which to ask again.
    public static func busy(_ message: String) -> WebError {
        WebError(.serviceUnavailable, message, headers: [.retryAfter: "1"])
    }

    /// The message, as it is sent.
    public var description: String { message }

    /// The refusal as JSON.
    public func response(from request: Request, context: some RequestContext) -> Response {
        var response = Response(json: ["error": .string(plainText(message))], status: status)
        response.headers.append(contentsOf: headers)
        return response
    }
}
