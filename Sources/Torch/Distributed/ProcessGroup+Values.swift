import Foundation
import Foundations

extension ProcessGroup {
    /// What the first process says; only there the value is asked for.
    /// - Throws: what the value throws; ``TorchError`` where a process is lost; `UserError` where another version of the
    ///   toolkit sends it.
    public func ofFirst<Value: Codable>(_ value: () throws -> Value) throws -> Value {
        let own = isFirst ? Array(try JSONEncoder().encode(value())) : []
        return try decoded(try withTorchErrors { bytesOfFirst(own) })
    }

    /// What each process says, in their order.
    /// - Throws: ``TorchError`` where a process is lost; `UserError` where another version of the toolkit sends it.
    public func gathered<Value: Codable>(_ own: Value) throws -> [Value] {
        let bytes = Array(try JSONEncoder().encode(own))
        return try withTorchErrors { gathered(bytes: bytes) }.map(decoded)
    }

    private func decoded<Value: Codable>(_ bytes: [UInt8]) throws -> Value {
        guard let found = try? JSONDecoder().decode(Value.self, from: Data(bytes)) else {
            throw UserError("another process sends what this one cannot read; start all with one version")
        }
        return found
    }
}
