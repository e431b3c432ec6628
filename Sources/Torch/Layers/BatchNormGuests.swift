/// Images of a batch that batch norm normalises by their own mean and variance in training, apart from the others, whose
/// statistics alone are kept for evaluation: synthetic images, which are distributed otherwise (Yu and others 2023,
/// https://arxiv.org/abs/2312.02253; Xie and others 2020, https://arxiv.org/abs/1911.09665, where scale and shift differ, too).
///
/// They count in batches of as many images; any other batch is normalised as a whole.
public struct BatchNormGuests {
    /// Images of the batch.
    public let count: Int
    /// Rows of the guests, and of the others.
    let guests, hosts: Tensor
    /// The place of each row in the hosts' rows with the guests' behind them.
    let order: Tensor

    /// Guests in a batch of `count` images; nil where there are none.
    /// - Parameter rows: the rows of the guests, in 0..<`count`.
    public init?(rows: [Int], of count: Int, device: Device) {
        let isGuest = Set(rows)
        let others = (0..<count).filter { !isGuest.contains($0) }
        guard !rows.isEmpty else { return nil }
        self.count = count
        guests = Tensor(rows, device: device)
        hosts = Tensor(others, device: device)
        var places = [Int](repeating: 0, count: count)
        for (place, row) in (others + rows).enumerated() { places[row] = place }
        order = Tensor(places, device: device)
    }
}
