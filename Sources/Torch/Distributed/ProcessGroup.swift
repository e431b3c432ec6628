import CTorch
import Foundation
import Foundations

/// The processes that train one model together, each on its share of a step's images (c10d's gloo, as
/// `torch.distributed` has it).
///
/// All of them call the same functions in the same order, with tensors of the same shapes; a call waits for the others.
/// As operators, calls do not throw: see ``withTorchErrors(_:)``. An error is one that another process ended or can no
/// longer be reached.
public final class ProcessGroup: @unchecked Sendable {
    /// Which of the processes this one is, 0..<``size``.
    public let rank: Int
    /// How many there are, at least 2.
    public let size: Int
    let handle: ct_group
    private let store: SharedNumbers

    /// Joins the others, and waits until all are there.
    /// - Parameters:
    ///   - patience: seconds to wait for them.
    ///   - timeout: seconds that a message may take later, PyTorch's by default; ``Heartbeat`` notices earlier who is lost.
    /// - Throws: `UserError` when they do not all come.
    public init(_ place: LaunchEnvironment, patience: Double = 600, timeout: Double = 1800) throws {
        precondition(place.size > 1, "a process alone needs no group")
        (rank, size) = (place.rank, place.size)
        func missing(_ reason: String) -> UserError {
            UserError(
                "process \(place.rank) of \(place.size) did not find all others at \(place.host):\(place.port) within "
                    + "\(Int(patience)) seconds (\(reason)); start all of them, with a port that is free and open")
        }
        do {
            let deadline = ContinuousClock.now + .seconds(patience)
            let store = try SharedNumbers(place, serves: place.rank == 0, patience: patience)
            self.store = store
            var here = try store.add(1, to: "here")
            while here < place.size {
                guard ContinuousClock.now < deadline else { throw missing("\(here) came") }
                Thread.sleep(forTimeInterval: 0.02)
                here = try store.add(0, to: "here")
            }
            handle = try withTorchErrors {
                var group: ct_group?
                check(
                    ct_group_join(
                        store.handle, place.host, Int32(place.port), Int32(place.rank), Int32(place.size), timeout,
                        &group),
                    "joining")
                return group
            }!
        } catch let error as TorchError {
            throw missing(error.message)
        }
    }

    deinit { ct_group_leave(handle) }

    /// Whether this is the first process, which writes files and speaks for all.
    public var isFirst: Bool { rank == 0 }

    /// What operators that take a group know it by.
    var name: String { String(cString: ct_group_name(handle)) }

    /// This process's share of `count` things in a row.
    public func share(of count: Int) -> Range<Int> { count * rank / size..<count * (rank + 1) / size }

    /// Replaces a tensor by its sum over the processes, which is the same to the bit in all of them.
    public func sum(_ tensor: Tensor) {
        let row = tensor.contiguous()
        check(ct_group_sum(handle, row.handle), "sum over processes")
        if row !== tensor { tensor.copy_(row) }
    }

    /// Replaces a tensor by that of the first process.
    public func takeFirst(_ tensor: Tensor) {
        let row = tensor.contiguous()
        check(ct_group_broadcast(handle, row.handle), "sending to processes")
        if row !== tensor { tensor.copy_(row) }
    }
}

extension ProcessGroup {
    /// The mean of a number over the processes; not finite where one is not.
    public func mean(_ value: Double) -> Double {
        let sum = Tensor([value])
        self.sum(sum)
        return sum.item() / Double(size)
    }

    /// What each process says, in their order: rows of as many numbers as the first of them has, any number of rows each.
    public func gathered(_ rows: [[Double]], width: Int) -> [[Double]] {
        let counts = Tensor((0..<size).map { $0 == rank ? Double(rows.count) : 0 })
        sum(counts)
        let lengths = counts.scalars(Double.self).map { Int($0) }
        let start = lengths[..<rank].reduce(0, +)
        let all = lengths.reduce(0, +)
        guard all > 0 else { return [] }
        var numbers = [Double](repeating: 0, count: all * width)
        for (place, row) in rows.enumerated() {
            for (column, value) in row.enumerated() { numbers[(start + place) * width + column] = value }
        }
        let table = Tensor(numbers)
        sum(table)
        let result = table.scalars(Double.self)
        return (0..<all).map { Array(result[$0 * width..<($0 + 1) * width]) }
    }

    /// The bytes of each process, in their order.
    func gathered(bytes: [UInt8]) -> [[UInt8]] {
        let lengths = gathered([[Double(bytes.count)]], width: 1).map { Int($0[0]) }
        let starts = lengths.indices.map { lengths[..<$0].reduce(0, +) }
        guard let end = starts.last.map({ $0 + (lengths.last ?? 0) }), end > 0 else {
            return lengths.map { _ in [] }
        }
        let row = Tensor.zeros([end], dtype: .uint8)
        row.withUnsafeMutableBytes {
            UnsafeMutableRawBufferPointer(rebasing: $0[starts[rank]...]).copyBytes(from: bytes)
        }
        sum(row)
        let all = row.withUnsafeMutableBytes { Array($0) }
        return zip(starts, lengths).map { Array(all[$0..<$0 + $1]) }
    }

    /// The first process's bytes.
    /// - Parameter bytes: what it sends; of the others it counts for nothing.
    public func bytesOfFirst(_ bytes: [UInt8]) -> [UInt8] {
        let count = Tensor([isFirst ? Double(bytes.count) : 0])
        takeFirst(count)
        let length = Int(count.item())
        guard length > 0 else { return [] }
        let message = Tensor.empty([length], dtype: .uint8)
        if isFirst { message.withUnsafeMutableBytes { $0.copyBytes(from: bytes) } }
        takeFirst(message)
        return message.withUnsafeMutableBytes { Array($0) }
    }
}
