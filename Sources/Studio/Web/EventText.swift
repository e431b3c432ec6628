import Foundations

/// Server-sent events as text (https://html.spec.whatwg.org/multipage/server-sent-events.html).
enum EventText {
    /// A line that says nothing, so that a connection on which nothing happens stays.
    static let comment = ": still here\n\n"
    /// The last event: who reads need not come again.
    static let end = "event: end\ndata:\n\n"
    /// Milliseconds after which a browser asks again when the connection broke.
    static let retry = "retry: 2000\n\n"

    /// An event whose data are parts of a page by their ids, as one line of JSON.
    static func event(_ number: Int, _ parts: [String: String]) -> String {
        "id: \(number)\ndata: \(JSONValue.object(parts.mapValues(JSONValue.string)).text)\n\n"
    }
}
