import DomainGeneralization
import Foundations

extension RunConfiguration {
    /// Checks that a step's images can be divided: among processes, and each one's share into parts one after the other.
    /// - Throws: `UserError` for an algorithm, a batch size or a sampling that does not allow it.
    func checkParts(_ algorithm: any DomainGeneralization.Algorithm, processes: Int) throws {
        if sampling == .epoch, classBalanced {
            throw UserError(
                "sampling: epoch shows every image once, so that classes come as often as they are; set classBalanced to false"
            )
        }
        guard batchSize % processes == 0 else {
            throw UserError(
                "--batch-size \(batchSize) cannot be shared evenly by \(processes) processes; choose a multiple of "
                    + "\(processes)")
        }
        guard accumulation > 1 else { return }
        if let reason = algorithm.whyOneProcess {
            throw UserError(
                "accumulation: the steps of \(self.algorithm.name) cannot be taken in parts: \(reason); set it to 1")
        }
        let own = batchSize / processes
        guard own % accumulation == 0 else {
            let owner = processes > 1 ? "a process's images of a domain" : "the batch size"
            throw UserError(
                "accumulation: \(accumulation) parts do not divide \(own), \(owner); choose a divisor of it")
        }
    }
}
