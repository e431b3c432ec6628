import DomainGeneralization

extension AlgorithmRegistry {
    /// Every algorithm that the command line knows.
    static let all = AlgorithmRegistry.standard
}
