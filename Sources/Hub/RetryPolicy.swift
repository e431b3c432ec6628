import Foundation

/// How often and after how long a request is made again that failed for now.
struct RetryPolicy: Sendable {
    /// Failures in a row, without a byte of progress, that are put up with.
    var failures = 5
    /// The same before the hub has answered anything: without a network the user is told soon.
    var firstFailures = 1
    /// Seconds before the first new attempt; each later wait is twice as long.
    var wait = 1.0
    /// A server that wants a longer wait, in seconds, is not waited for.
    var longestWait = 330.0

    /// - Parameter failure: 1 for the first.
    func wait(after failure: Int, _ head: HTTPHead?) -> Double {
        head.flatMap { Self.wish(of: $0) } ?? wait * pow(2, Double(failure - 1))
    }

    /// What the server asks for: `Retry-After` in seconds or as a date, or the hub's `RateLimit: "api";r=0;t=175`.
    static func wish(of head: HTTPHead, now: Date = Date()) -> Double? {
        if let text = head["retry-after"] {
            if let seconds = Double(text), seconds >= 0 { return seconds }
            let format = DateFormatter()
            format.locale = Locale(identifier: "en_US_POSIX")
            format.timeZone = TimeZone(identifier: "GMT")
            format.dateFormat = "EEE, dd MMM yyyy HH:mm:ss zzz"
            return format.date(from: text).map { max(0, $0.timeIntervalSince(now)) }
        }
        guard head.status == 429, let match = head["ratelimit"]?.firstMatch(of: /\bt=(\d+)/) else { return nil }
        return Double(match.1)
    }
}
