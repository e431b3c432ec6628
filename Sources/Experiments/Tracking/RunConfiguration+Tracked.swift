import Foundations

extension RunConfiguration {
    /// The settings that trackers show and compare, by their names with dots.
    var tracked: [String: JSONValue] {
        ((try? JSONValue(encoding: self))?.flattened() ?? [:]).filter { $0.value != .null }
    }
}
