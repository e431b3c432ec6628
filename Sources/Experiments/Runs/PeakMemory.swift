import Foundation
import Torch

/// Memory at the peak.
enum PeakMemory {
    /// Bytes at the peak since the process began: of the accelerator, or of the process where it computes on the CPU.
    static func bytes(of device: Device) -> Double {
        if device.kind != .cpu { return Double(Machine.memory(of: device).peak) }
        var usage = rusage()
        #if os(Linux)
            getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
            return Double(usage.ru_maxrss) * 1024
        #else
            getrusage(RUSAGE_SELF, &usage)
            return Double(usage.ru_maxrss)
        #endif
    }
}
