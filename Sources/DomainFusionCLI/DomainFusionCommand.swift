import ArgumentParser

@main
struct DomainFusionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "domainfusion",
        abstract: "Train image classifiers that work on a domain never seen in training.")
}
