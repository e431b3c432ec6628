import ArgumentParser
import DomainFusion
import Experiments

/// How images are generated before training.
enum GenerationMethod: String, CaseIterable, ExpressibleByArgument {
    case cdgaPG = "cdga-pg"
    case cdgaIG = "cdga-ig"
    case fds
    case shift

    /// What an image is asked for where no prompt is given.
    /// - Parameter isEmbedded: whether by the embedded model.
    func prompt(isEmbedded: Bool) -> String {
        switch self {
        case .cdgaPG: isEmbedded ? "{a style} emoji of {a class}" : CrossDomainSettings().prompt
        case .cdgaIG: isEmbedded ? EmbeddedModel.prompt : "a {class}"
        case .shift: ""
        case .fds: isEmbedded ? "{a style} emoji of {a class}" : DomainPairSettings().prompt
        }
    }
}

/// A number, or two between which numbers are drawn: `5` or `4,6`.
struct NumberRange: ExpressibleByArgument, Equatable {
    let low: Double, high: Double
    /// Where it is one number.
    let number: Double?

    init?(argument: String) {
        let numbers = argument.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard let low = numbers.first ?? nil, let high = numbers.last ?? nil, numbers.count <= 2 else { return nil }
        (self.low, self.high) = (low, high)
        number = numbers.count == 1 ? low : nil
    }
}
