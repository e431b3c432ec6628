import Foundation

/// The memory of this process that lies in RAM, as Linux counts it.
enum ResidentMemory {
    /// Gives freed memory back to the system, lets the peak start anew, and tells what is resident now, in bytes.
    static func restartPeak() -> Int? {
        #if os(Linux)
            // glibc's malloc_trim, which Swift's module of glibc leaves out.
            if let trim = dlsym(nil, "malloc_trim") {
                _ = unsafeBitCast(trim, to: (@convention(c) (Int) -> Int32).self)(0)
            }
            try? Data("5".utf8).write(to: URL(fileURLWithPath: "/proc/self/clear_refs"))
        #endif
        return field("VmRSS")
    }

    /// The most that was resident since the peak started, in bytes.
    static var peak: Int? { field("VmHWM") }

    private static func field(_ name: String) -> Int? {
        guard let text = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8) else { return nil }
        let line = text.split(separator: "\n").first { $0.hasPrefix(name + ":") }
        return line?.split(separator: " ", omittingEmptySubsequences: true).dropFirst().first
            .flatMap { Int($0) }.map { $0 * 1024 }
    }
}

/// Adds to a measurement how far the resident memory rises while it is taken.
func measuringMemory(_ body: () throws -> Measurement) rethrows -> Measurement {
    let before = ResidentMemory.restartPeak()
    var measurement = try body()
    if let before, let peak = ResidentMemory.peak { measurement.peakBytes = peak - before }
    return measurement
}
