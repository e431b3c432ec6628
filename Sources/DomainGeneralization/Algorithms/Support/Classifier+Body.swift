import Backbones
import Torch

extension Classifier {
    /// `parameterGroups` without the linear layer's, for an optimiser of the backbone alone.
    var bodyGroups: [ParameterGroup] {
        let head = [head.weight, head.bias].compactMap { $0 }
        let groups = parameterGroups.map { group in
            ParameterGroup(
                group.parameters.filter { parameter in !head.contains { $0 === parameter } }, rateScale: group.rateScale
            )
        }
        return groups.filter { !$0.parameters.isEmpty }
    }
}
