import ArgumentParser
import Experiments
import Foundation
import Foundations

struct LaunchCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "launch",
        abstract: "Start a command as several processes on this machine that train together.",
        discussion: """
            Each process trains on its share of every step's images, and their gradients are averaged: the numbers are \
            those of one process. When one of them fails, all end, and the same command goes on from the last saved state.

            On several machines the same processes are started by 'torchrun --no-python' or by SLURM's 'srun'; 'train' \
            finds its place in their environment.

            Examples:
              domainfusion launch --nproc 2 train --data data/EmojiDG --test-domain unifont --batch-size 8
              torchrun --no-python --nnodes 2 --nproc-per-node 4 --rdzv-endpoint node01:29400 \\
                domainfusion train --data PACS --test-domain sketch
              srun --ntasks 8 domainfusion train --data PACS --test-domain sketch
            """)

    @Option(name: [.customLong("nproc"), .customLong("nproc-per-node")], help: "How many processes.")
    var nproc: Int

    @Option(help: "The port where they meet; 0, as by default, takes one that is free.")
    var port = 0

    @Argument(parsing: .captureForPassthrough, help: "The command with its options.")
    var command: [String] = []

    func validate() throws {
        try check("--nproc", nproc, in: 1...1024)
        try check("--port", port, in: 0...65535)
        if command.first { $0 != "--" } == nil {
            throw ValidationError("no command to start; write it behind the options, as in 'launch --nproc 2 train …'")
        }
    }

    func run() throws {
        Interruption.watch()
        let words = command.first == "--" ? Array(command.dropFirst()) : command
        // What cannot be parsed is told once.
        _ = try DomainFusionCommand.command(words)
        let team = try ProcessTeam(SweepCommand.program, words, size: nproc, port: port)
        let status = try team.run { printError("error: \($0)") }
        if status != 0 { throw ExitCode(status) }
    }
}
