import CProcess
import DomainGeneralization
import Foundation
import Foundations

/// The sweep that started this process: when it ends in any way, a kill too, so do its members, with their states saved.
public enum ParentProcess {
    private static let variable = "DOMAINFUSION_SWEEP_PROCESS"

    /// The environment of a process that is to end with this one.
    static var environment: [String: String] {
        ProcessInfo.processInfo.environment.merging([variable: "\(getpid())"]) { $1 }
    }

    /// Has this process end as by SIGTERM when the sweep that started it ends; does nothing for one that was started by hand.
    /// - Throws: `Interruption` when the sweep has ended already.
    public static func follow() throws {
        guard let parent = ProcessInfo.processInfo.environment[variable].flatMap(pid_t.init) else { return }
        // What this process starts is not the sweep's.
        unsetenv(variable)
        cprocess_signal_with_parent(SIGTERM)
        guard getppid() == parent else { throw Interruption(signal: SIGTERM) }
    }
}
