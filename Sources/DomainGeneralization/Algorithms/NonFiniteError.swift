/// A loss or a gradient that is not finite. Its step was not taken: the parameters are as they were before.
public struct NonFiniteError: Error, CustomStringConvertible, Equatable, Sendable {
    /// "the loss" or "the gradient's norm".
    public let quantity: String
    /// Its value as text: NaN equals nothing.
    public let value: String
    /// The step that was not taken, counted from 0.
    public let step: Int
    /// The step's items, indices into ``ImageFolder/items``; the trainer adds them.
    public internal(set) var items: [Int] = []

    /// An error for a value that is infinite or NaN.
    public init(_ quantity: String, _ value: Double, step: Int) {
        self.quantity = quantity
        self.value = "\(value)"
        self.step = step
    }

    /// What was not finite, when, and the remedy, in one line.
    public var description: String {
        "\(quantity) is \(value) at step \(step), which changed nothing; lower --learning-rate, or look at the data with "
            + "'domainfusion data check'"
    }
}
