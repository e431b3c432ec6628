extension Int {
    /// The whole number next to `value` towards zero, at most `Int.max` and at least `Int.min`; 0 for what is no number.
    ///
    /// For numbers that come from files, of which `Int(_:)` ends the process.
    public init(clamping value: Double) {
        self = Int(exactly: value.rounded(.towardZero)) ?? (value.isNaN ? 0 : value > 0 ? .max : .min)
    }
}
