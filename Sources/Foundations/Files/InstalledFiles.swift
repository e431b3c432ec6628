import Foundation

/// Where the files lie that the program brings along: the embedded diffusion model (`Models/`), and what is under `data/`:
/// weights, CLIP's vocabulary, packages to draw data sets from, data sets.
///
/// Each is known by its path in a checkout. It is looked for in the working directory, and then in a home folder. That is
/// `DOMAINFUSION_HOME` alone, where it is set; otherwise the first of
///
/// - the checkout that the program was built in, or the `share/domainfusion` that it was installed with: beside a folder that the
///   executable lies in;
/// - `domainfusion` in `XDG_DATA_HOME` (by default `~/.local/share`);
/// - `domainfusion` in the folders of `XDG_DATA_DIRS` (by default `/usr/local/share` and `/usr/share`)
///
/// that has the file.
public struct InstalledFiles: Sendable {
    /// The embedded latent diffusion model's folder.
    public static let embeddedModel = "Models/emoji-ldm"
    /// The list of merges that CLIP's tokenizer is made of.
    public static let vocabulary = "data/packages/bpe_simple_vocab_16e6.txt"
    /// The folder of the packages that `scripts/bootstrap` unpacks.
    public static let packages = "data/packages"

    /// Those of this process.
    public static let here = InstalledFiles()

    /// The home folders in the order in which they are searched.
    public let homes: [String]

    /// The working directory; nil for that of the process.
    private let current: String?

    /// The places of a process, from its environment and its program's path.
    /// - Parameters:
    ///   - current: the working directory, where it is not that of the process.
    ///   - executable: the program's path.
    public init(
        current: String? = nil, environment: [String: String] = ProcessInfo.processInfo.environment,
        executable: String? = Bundle.main.executablePath
    ) {
        self.current = current
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        if let home = variable("DOMAINFUSION_HOME") {
            homes = [home]
            return
        }
        let beside = executable.map { Self.folders(above: Files.realPath($0)) } ?? []
        let user = variable("XDG_DATA_HOME") ?? "\(variable("HOME") ?? NSHomeDirectory())/.local/share"
        let system = (variable("XDG_DATA_DIRS") ?? "/usr/local/share:/usr/share").split(separator: ":")
        homes =
            beside.flatMap { ["\($0)/share/domainfusion", $0] }.filter { Files.isFolder("\($0)/Models") }
            + ([user] + system.map(String.init)).map { "\($0)/domainfusion" }
    }

    private static func folders(above path: String) -> [String] {
        let parts = path.split(separator: "/").dropLast()
        return parts.indices.reversed().map { "/" + parts[...$0].joined(separator: "/") }
    }

    /// The path of a file or folder in the working directory or a home folder; nil where it is in none.
    /// - Parameter name: its path in a checkout.
    public func find(_ name: String) -> String? {
        let here = current.map { "\($0)/\(name)" } ?? name
        if Files.exists(here) { return here }
        return homes.lazy.map { "\($0)/\(name)" }.first { Files.exists($0) }
    }

    /// A path that a user or a setting names: where it is there, or is not of a kind that the program brings along, it is what it
    /// says; otherwise the same in a home folder that has it.
    public func locate(_ path: String) -> String {
        guard ["Models/", "data/"].contains(where: { path.hasPrefix($0) }) else { return path }
        return find(path) ?? path
    }
}
