import Foundation

/// Probabilities of logits in their order; they add up to 1.
func softmax(_ logits: [Double]) -> [Double] {
    let highest = logits.max() ?? 0
    let parts = logits.map { exp($0 - highest) }
    let sum = parts.reduce(0, +)
    return parts.map { $0 / sum }
}
