import Testing
import Torch

@testable import Diffusion

/// Injected self-attention against diffusers with attention processors of scripts/fixtures/injection.py, which sends content,
/// style and result through the network one after the other.
struct AttentionInjectionTests {
    private let unet: UNet2DConditionModel
    private let reference: StateDict

    init() throws {
        let folder = try fixture("unet-injection")
        unet = try UNet2DConditionModel(folder: folder)
        reference = try StateDict(safetensors: "\(folder)/reference.safetensors")
    }

    private func tensor(_ name: String) throws -> Tensor { try #require(reference[name]) }

    private func output(_ rows: [String], contexts: [String], injection: AttentionInjection?) throws -> [Tensor] {
        noGrad {
            unet(
                .concatenated((try? rows.map(tensor)) ?? []), timesteps: Tensor([Int64(401)]),
                context: .concatenated((try? contexts.map(tensor)) ?? []), injection: injection.map { ($0, 2) })
        }.chunked(rows.count, dimension: 0)
    }

    @Test(arguments: [1, 2])
    func oneBatchEqualsPassesOneAfterTheOther(_ blocks: Int) throws {
        let made = try output(
            ["x", "x", "content", "style"], contexts: ["negative", "context", "context", "context"],
            injection: AttentionInjection(blocks: blocks))
        #expect(try relativeError(made[0], tensor("negative.\(blocks)")) < 1e-5)
        #expect(try relativeError(made[1], tensor("positive.\(blocks)")) < 1e-5)
        #expect(try relativeError(made[1], tensor("positive.\(3 - blocks)")) > 1e-3)
        // Content and style are seen as they are.
        for (rows, name) in zip(made[2...], ["content", "style"]) {
            #expect(try relativeError(rows, output([name], contexts: ["context"], injection: nil)[0]) < 1e-5)
        }
        // Without guidance the rows are fewer, and the same.
        let plain = try output(
            ["x", "content", "style"], contexts: ["context", "context", "context"],
            injection: AttentionInjection(blocks: blocks))
        #expect(try relativeError(plain[0], tensor("positive.\(blocks)")) < 1e-5)
    }

    @Test func noBlocksChangeNothing() throws {
        let made = try output(
            ["x", "content", "style"], contexts: ["context", "context", "context"],
            injection: AttentionInjection(blocks: 0))
        #expect(try relativeError(made[0], tensor("plain")) < 1e-5)
    }

    /// An image that takes over its own content and style at temperature 1 is itself.
    @Test func ownContentAndStyleAreTheImage() throws {
        let made = try output(
            ["x", "x", "x"], contexts: ["context", "context", "context"],
            injection: AttentionInjection(blocks: 2, queryShare: 0.75, temperature: 1))
        #expect(try relativeError(made[0], tensor("plain")) < 1e-5)
    }
}
