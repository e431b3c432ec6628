import Experiments
import Foundation
import Foundations

/// Numbers and times as the pages write them.
enum StudioText {
    /// A share as percent; a dash for none.
    static func percent(_ share: Double?) -> String { share.map { String(format: "%.1f %%", 100 * $0) } ?? "–" }

    /// How long something takes, roughly.
    static func duration(_ seconds: Double) -> String {
        switch seconds {
        case ..<1: "a moment"
        case ..<90: "\(Int(seconds)) s"
        case ..<5400: "\(Int((seconds / 60).rounded())) min"
        case ..<172_800: "\(Int((seconds / 3600).rounded())) h"
        default: "\(Int(min(seconds / 86_400, 1e6).rounded())) days"
        }
    }

    /// When something was.
    static func time(_ date: Date, now: Date = Date()) -> Markup {
        let exact = date.formatted(.iso8601)
        let ago = now.timeIntervalSince(date)
        let text = ago < 1 ? "now" : "\(duration(ago)) ago"
        return .tag("time", [("datetime", exact), ("title", exact)], text)
    }

    /// A state in words, which a mark stands before.
    static func state(_ state: RunState) -> Markup {
        .tag("span", [("class", "state \(state.rawValue)")], state.rawValue)
    }
}
