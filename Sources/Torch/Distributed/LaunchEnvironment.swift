import Foundation
import Foundations

/// Where a process stands among those that were launched with it, as `torchrun`, SLURM's `srun` and MPI say it in the
/// environment.
public struct LaunchEnvironment: Sendable, Equatable {
    /// Which of the processes this one is, 0..<``size``.
    public var rank: Int
    /// How many there are.
    public var size: Int
    /// Which one it is of those on its machine.
    public var localRank: Int
    /// How many of them are on its machine; nil where the launcher does not say.
    public var localSize: Int?
    /// The machine of the first process, where all of them meet.
    public var host: String
    /// The port there, 1…65535.
    public var port: Int
    /// Whether the launcher holds the table of those who meet, as `torchrun` does; otherwise the first process does.
    public var isServedByLauncher = false
    /// How often the launcher has started the processes before.
    public var attempt = 0

    /// A place among `size` processes that meet at host:port.
    public init(rank: Int, size: Int, localRank: Int, localSize: Int? = nil, host: String, port: Int) {
        (self.rank, self.size) = (rank, size)
        (self.localRank, self.localSize) = (localRank, localSize)
        (self.host, self.port) = (host, port)
    }

    /// What an environment says; nil for a process that was started alone.
    ///
    /// Read are, first of all, `RANK`, `WORLD_SIZE`, `LOCAL_RANK`, `LOCAL_WORLD_SIZE`, `MASTER_ADDR` and `MASTER_PORT`
    /// (torchrun); then SLURM's of a job step; then Open MPI's and MPICH's, with `MASTER_ADDR` and `MASTER_PORT` beside
    /// them where the processes are on several machines.
    /// - Throws: `UserError` for a variable that is missing or makes no sense.
    public init?(_ environment: [String: String]) throws {
        func number(_ name: String, _ range: ClosedRange<Int>) throws -> Int? {
            guard let text = environment[name], !text.isEmpty else { return nil }
            guard let value = Int(text), range.contains(value) else {
                throw UserError(
                    "\(name)=\(shortened(text)): no whole number from \(range.lowerBound) to \(range.upperBound); start the "
                        + "processes with torchrun, srun or 'domainfusion launch'")
            }
            return value
        }
        func required(_ name: String, _ range: ClosedRange<Int>, _ launcher: String) throws -> Int {
            guard let value = try number(name, range) else {
                throw UserError("\(name) is not set, as \(launcher) sets it; start the processes with a launcher")
            }
            return value
        }
        let most = 1 << 20
        let launcher = try Self.launchers.first { try number($0.size, 1...most) ?? 1 > 1 }
        guard let launcher, let size = try number(launcher.size, 1...most) else { return nil }
        rank = try required(launcher.rank, 0...size - 1, launcher.name)
        localRank = try number(launcher.localRank, 0...most) ?? 0
        localSize = try number(launcher.localSize, 1...most)
        self.size = size
        if let given = environment["MASTER_ADDR"], !given.isEmpty {
            host = given
        } else if let nodes = environment["SLURM_STEP_NODELIST"], launcher.name == Self.slurm {
            host = Self.firstHost(nodes)
        } else if localSize == size {
            host = "127.0.0.1"
        } else {
            throw UserError("MASTER_ADDR is not set; set it to the machine of the first process, on all of them")
        }
        // As Lightning has it, so that two jobs on a machine rarely take the same.
        let job = environment["SLURM_JOB_ID"].flatMap { Int($0.suffix(4)) } ?? 14500
        port = try number("MASTER_PORT", 1...65535) ?? 15000 + job
        isServedByLauncher = environment["TORCHELASTIC_USE_AGENT_STORE"] == "True"
        attempt = try number("TORCHELASTIC_RESTART_COUNT", 0...most) ?? 0
    }

    private struct Launcher {
        let name, rank, size, localRank, localSize: String
    }

    private static let slurm = "srun"

    private static let launchers = [
        Launcher(
            name: "torchrun", rank: "RANK", size: "WORLD_SIZE", localRank: "LOCAL_RANK", localSize: "LOCAL_WORLD_SIZE"),
        Launcher(
            name: slurm, rank: "SLURM_PROCID", size: "SLURM_STEP_NUM_TASKS", localRank: "SLURM_LOCALID",
            localSize: "SLURM_NTASKS_PER_NODE"),
        Launcher(
            name: "Open MPI", rank: "OMPI_COMM_WORLD_RANK", size: "OMPI_COMM_WORLD_SIZE",
            localRank: "OMPI_COMM_WORLD_LOCAL_RANK", localSize: "OMPI_COMM_WORLD_LOCAL_SIZE"),
        Launcher(
            name: "MPICH", rank: "PMI_RANK", size: "PMI_SIZE", localRank: "MPI_LOCALRANKID",
            localSize: "MPI_LOCALNRANKS"),
    ]

    /// The first of SLURM's list of hosts: `node01` of `node[01-04,7],login`.
    static func firstHost(_ list: String) -> String {
        let first = list.prefix { $0 != "," }
        guard let bracket = first.firstIndex(of: "[") else { return String(first) }
        return String(first[..<bracket]) + first[bracket...].dropFirst().prefix(while: \.isNumber)
    }

    /// The variables that tell a process its place, as ``init(_:)`` reads them.
    public var variables: [String: String] {
        [
            "RANK": "\(rank)", "WORLD_SIZE": "\(size)", "LOCAL_RANK": "\(localRank)",
            "LOCAL_WORLD_SIZE": "\(localSize ?? 1)", "MASTER_ADDR": host, "MASTER_PORT": "\(port)",
        ]
    }

    /// A port of this machine that nobody listens at now.
    /// - Throws: `UserError` when none is free.
    package static func freePort() throws -> Int {
        let file = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { close(file) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                file >= 0 && bind(file, $0, size) == 0 && getsockname(file, $0, &size) == 0
            }
        }
        guard isBound else {
            throw UserError("no port is free on this machine (\(systemMessage())); end programs that hold many")
        }
        return Int(UInt16(bigEndian: address.sin_port))
    }
}
