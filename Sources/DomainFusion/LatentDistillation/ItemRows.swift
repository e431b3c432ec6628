import DomainGeneralization
import Foundations
import Torch

/// The rows of a table that has one for each of some items.
struct ItemRows {
    private let rows: [Int: Int]

    /// - Parameter items: indices into `ImageFolder.items`, in the order of the rows.
    init(_ items: [Int]) {
        rows = Dictionary(uniqueKeysWithValues: items.enumerated().map { ($1, $0) })
    }

    /// The rows of items, int64 [N].
    /// - Throws: `UserError` for an item that the table was not made for.
    func callAsFunction(_ items: [Int]) throws -> Tensor {
        Tensor(
            try items.map { item in
                guard let row = rows[item] else {
                    throw UserError(
                        "item \(item) is none of the images that the run trains on: the diffusion model was not asked "
                            + "about it; give the items of the run's minibatches")
                }
                return Int64(row)
            })
    }
}
