import CKernels
import CTorch
import Dispatch
import Foundations

/// Where a tensor lives: `cpu`, `cuda:0`, `mps`.
public struct Device: Sendable, Hashable, CustomStringConvertible {
    /// What computes: the CPU, an NVIDIA or an Apple GPU. Raw values are libtorch's `DeviceType`.
    public enum Kind: Int32, Sendable {
        /// The processor and its memory; there is one.
        case cpu = 0
        /// An NVIDIA GPU, which needs a libtorch built with CUDA.
        case cuda = 1
        /// An Apple GPU (Metal), which this libtorch lists on macOS alone.
        case mps = 13
    }

    /// What kind of device this is.
    public let kind: Kind
    /// Index among the devices of this kind, or nil for the current one.
    public let index: Int?

    /// A device by its kind and number; whether it is there is not checked (``init(parsing:)`` does).
    public init(_ kind: Kind, index: Int? = nil) {
        self.kind = kind
        self.index = index
    }

    /// The CPU, where tensors are made unless something else is asked for.
    public static let cpu = Device(.cpu)

    var code: Int32 { kind.rawValue << 8 | Int32((index ?? -1) + 1) }

    init(code: Int32) {
        self.init(Kind(rawValue: code >> 8) ?? .cpu, index: code & 0xff == 0 ? nil : Int(code & 0xff) - 1)
    }

    /// Number of devices of a kind that this libtorch can use.
    public static func count(_ kind: Kind) -> Int { Int(ct_device_count(kind.rawValue)) }

    /// The best device there is: the first CUDA device, else MPS, else the CPU.
    public static var best: Device {
        if count(.cuda) > 0 { return Device(.cuda, index: 0) }
        if count(.mps) > 0 { return Device(.mps) }
        return .cpu
    }

    /// Reads a device as people write it: `auto`, `cpu`, `cuda`, `cuda:1`, `mps`.
    /// - Throws: `UserError` for an unknown name, or for a device that is not there.
    public init(parsing text: String) throws {
        if text == "auto" {
            self = .best
            return
        }
        let parts = text.split(separator: ":", maxSplits: 1)
        let kinds: [String: Kind] = ["cpu": .cpu, "cuda": .cuda, "mps": .mps]
        guard let kind = kinds[String(parts.first ?? "")] else {
            throw UserError("unknown device '\(text)'; use auto, cpu, cuda, cuda:INDEX or mps")
        }
        let available = Device.count(kind)
        guard available > 0 else {
            throw UserError(
                "device '\(text)' is not available: libtorch \(Machine.libtorchVersion) finds none; use cpu")
        }
        guard parts.count == 2 else {
            self.init(kind, index: kind == .cuda ? 0 : nil)
            return
        }
        guard let index = Int(parts[1]), (0..<available).contains(index) else {
            throw UserError("device '\(text)' does not exist: there are \(available) of its kind, counted from 0")
        }
        self.init(kind, index: index)
    }

    /// The device as ``init(parsing:)`` reads it: `cpu`, `cuda:0`.
    public var description: String {
        let name = ["0": "cpu", "1": "cuda", "13": "mps"]["\(kind.rawValue)"] ?? "cpu"
        return index.map { kind == .cpu ? name : "\(name):\($0)" } ?? name
    }

    /// Waits until all work queued on the device is done.
    public func synchronize() {
        check(ct_synchronize(code), "synchronize")
    }
}

/// Settings of the process: threads, versions, memory.
public enum Machine {
    /// The version of the libtorch that was loaded, such as `2.13.0`.
    public static var libtorchVersion: String { String(cString: ct_version()) }

    /// Threads that one operator uses.
    public static var threads: Int {
        get { Int(ct_threads()) }
        set { ct_set_threads(Int32(max(1, newValue))) }
    }

    /// Calls `body` for 0 ..< `count` at the same time, with the threads shared out between the calls: for networks whose
    /// operators are too small for several threads. They work in the modes of the calling thread, such as ``noGrad(_:)``.
    /// - Returns: the results in order.
    /// - Throws: the first failure in the order of the calls, an operator's among them.
    public static func concurrently<Result>(_ count: Int, _ body: (Int) throws -> Result) throws -> [Result] {
        let all = threads
        if count == 1 || all == 1 { return try (0..<count).map { number in try withTorchErrors { try body(number) } } }
        var results = [Swift.Result<Result, any Error>?](repeating: nil, count: count)
        let modes = ct_thread_state()
        defer { ct_thread_state_release(modes) }
        withoutActuallyEscaping(body) { body in
            results.withUnsafeMutableBufferPointer { buffer in
                // Every call has a place of its own; what they share is `body`'s affair.
                nonisolated(unsafe) let (results, body, modes) = (buffer, body, modes)
                DispatchQueue.concurrentPerform(iterations: count) { number in
                    // A setting of the thread; the calling one is among them.
                    threads = max(1, all / count)
                    let guardian = ct_thread_state_enter(modes)
                    defer {
                        ct_thread_state_leave(guardian)
                        threads = all
                    }
                    results[number] = Swift.Result { try withTorchErrors { try body(number) } }
                }
            }
        }
        return try results.compactMap { try $0?.get() }
    }

    /// Seeds libtorch's default generators (dropout and other operators without a generator of their own).
    public static func seed(_ seed: UInt64) {
        check(ct_manual_seed(seed), "manual_seed")
    }

    /// Whether the processor has instructions for products in bfloat16 (AVX-512-BF16); without, they take many times as long as
    /// in float32.
    public static var hasBFloat16: Bool { ck_has_bfloat16() }

    /// Keeps the memory of freed CPU tensors for the next ones in place of giving it back to the system (on Linux): a training
    /// step then touches no new pages, which saves a tenth of its time and more with large images. Large blocks that are kept
    /// never take more memory than large tensors once did together. For programs that mostly train; call it once, first.
    public static func keepFreedMemory() { ck_keep_freed_memory() }

    /// From now on a C++ exception that nobody catches, such as a lack of memory on one of libtorch's threads, ends the process
    /// with one line and exit status 1, where it would have aborted. For programs, not for libraries.
    public static func explainTermination() { ct_explain_termination() }

    /// The most bytes of CPU tensors that `body` held at a time, of those that it allocated, on this thread.
    public static func peakMemory<Result>(during body: () throws -> Result) rethrows -> (result: Result, bytes: Int) {
        check(ct_memory_watch_begin(), "memory")
        var peak: Int64 = 0
        let result: Result
        do {
            // The watch ends before the result is returned, and also when nothing is.
            defer { check(ct_memory_watch_end(&peak), "memory") }
            result = try body()
        }
        return (result, Int(peak))
    }

    /// Bytes allocated now and at the peak on an accelerator; zeros for the CPU.
    public static func memory(of device: Device) -> (allocated: Int, peak: Int) {
        var allocated: Int64 = 0
        var peak: Int64 = 0
        check(ct_memory(device.code, &allocated, &peak), "memory")
        return (Int(allocated), Int(peak))
    }
}
