import Foundation
import Testing

/// The path of a file under Tests/TorchTests/Fixtures.
func fixture(_ name: String) throws -> String {
    let folder = try #require(Bundle.module.resourceURL)
    return folder.appendingPathComponent("Fixtures").appendingPathComponent(name).path
}
