import Foundation
import Foundations

extension StateDict {
    /// The first process's tensors, on the CPU; what the others have counts for nothing.
    /// - Throws: `UserError` when another version of the toolkit sent them.
    public func ofFirst(in group: ProcessGroup) throws -> StateDict {
        struct Entry: Codable {
            let name: String
            let dtype: Int32
            let shape: [Int]
        }
        let own = names.compactMap { name in
            self[name].map { Entry(name: name, dtype: $0.dtype.rawValue, shape: $0.shape) }
        }
        let header = group.bytesOfFirst(Array(try JSONEncoder().encode(own)))
        guard let entries = try? JSONDecoder().decode([Entry].self, from: Data(header)) else {
            throw UserError("the first process sends what this one cannot read; start all with one version")
        }
        var result = StateDict()
        for entry in entries {
            let tensor =
                group.isFirst
                ? self[entry.name]?.to(device: .cpu).contiguous().cloned()
                : Tensor.empty(entry.shape, dtype: DType(rawValue: entry.dtype) ?? .float32)
            if let tensor, tensor.count > 0 { group.takeFirst(tensor) }
            result[entry.name] = tensor
        }
        return result
    }
}
