/// One of the equal parts that a step's images are divided into: among processes, and one after the other.
public struct StepPart: Sendable, Equatable {
    /// Which part, 0..<``count``.
    public let number: Int
    /// How many there are, at least 1.
    public let count: Int

    /// Part `number` of `count`.
    public init(_ number: Int, of count: Int) {
        (self.number, self.count) = (number, count)
    }

    /// All images of the step.
    public static let whole = StepPart(0, of: 1)

    /// Whether no part comes after it.
    public var isLast: Bool { number + 1 == count }

    /// Its share of `count` things in a row.
    public func share(of count: Int) -> Range<Int> {
        count * number / self.count..<count * (number + 1) / self.count
    }
}

extension AlgorithmContext {
    /// A part of this process's images as a part of the images of all processes.
    public func part(_ own: StepPart) -> StepPart {
        StepPart((group?.rank ?? 0) * own.count + own.number, of: (group?.size ?? 1) * own.count)
    }
}
