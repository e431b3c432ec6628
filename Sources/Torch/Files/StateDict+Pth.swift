import Foundations

extension StateDict {
    /// Reads the weights of a `.pth` file, of which nothing is executed; see ``PthFile``.
    /// - Parameter isWanted: of which names tensors are read; all by default.
    /// - Throws: `FileFormatError` naming the file and the remedy.
    public init(pth path: String, where isWanted: (String) -> Bool = { _ in true }) throws {
        self.init()
        let file = try PthFile.read(path)
        for entry in file.entries where isWanted(entry.name) {
            guard let dtype = entry.dtype.torchType else {
                throw FileFormatError(
                    path: path, problem: "\(entry.name) has type \(entry.dtype.rawValue), which is not supported",
                    remedy: "save it as float32, float16 or bfloat16")
            }
            let tensor = Tensor.empty(entry.shape, dtype: dtype)
            tensor.withUnsafeMutableBytes { file.copy(entry, to: $0) }
            self[entry.name] = tensor
        }
    }
}
