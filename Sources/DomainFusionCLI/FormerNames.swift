/// Options that have another name now. The former ones stay valid, and no help shows them.
enum FormerNames {
    /// By the subcommand that they belong to.
    static let all: [(command: [String], former: String, now: String)] =
        ["finetune", "merge", "sample", "evaluate", "sheet"].map { (["ldm", $0], "--model", "--ldm") }
        + [(["demo"], "--target", "--test-domain"), (["curves"], "--class", "--label")]

    /// A command line with today's names in it. What comes after `--` is no option.
    static func replaced(in arguments: [String]) -> [String] {
        let names = all.filter { arguments.starts(with: $0.command) }
        guard !names.isEmpty else { return arguments }
        let end = arguments.firstIndex(of: "--") ?? arguments.endIndex
        return arguments.enumerated().map { index, argument in
            guard index < end, let name = names.first(where: { argument.hasPrefix($0.former) }) else { return argument }
            let rest = argument.dropFirst(name.former.count)
            return rest.isEmpty || rest.hasPrefix("=") ? name.now + rest : argument
        }
    }
}
