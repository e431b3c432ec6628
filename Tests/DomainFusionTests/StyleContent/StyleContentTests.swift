import Diffusion
import DomainFusion
import DomainGeneralization
import Foundation
import Testing
import Torch

@Suite struct StyleContentTests {
    private func reference(_ name: String) throws -> Tensor {
        try #require(StateDict(safetensors: fixture("style_content.safetensors"))[name])
    }

    private func distance(_ a: Tensor, _ b: Tensor) -> Double {
        #expect(a.shape == b.shape)
        return (a - b).abs().max().item()
    }

    @Test func fourierEqualsNumPy() throws {
        let (styles, contents) = (try reference("styles"), try reference("contents"))
        for (radius, name) in [(1.0, "composed"), (0.5, "composed_low")] {
            let space = FourierSpace(radius: radius)
            let composed = space.compose(
                style: space.decompose(styles).style, content: space.decompose(contents).content)
            #expect(distance(composed, try reference(name)) < 1e-5)
        }
    }

    @Test func similaritiesEqualNumPy() throws {
        let space = FourierSpace()
        let (a, b) = (space.decompose(try reference("styles")), space.decompose(try reference("contents")))
        #expect(distance(StyleSimilarity.cosine(a.style, b.style), try reference("style_cosine")) < 1e-5)
        #expect(distance(StyleSimilarity.euclidean(a.style, b.style), try reference("style_euclidean")) < 1e-3)
        #expect(distance(space.contentSimilarity(a.content, b.content), try reference("content")) < 1e-4)
    }

    @Test(arguments: [0.0, 0.3, 1.0])
    func ownStyleAndContentGiveTheImageBack(_ radius: Double) throws {
        let images = try reference("styles")
        let space = FourierSpace(radius: radius)
        let parts = space.decompose(images)
        #expect(distance(space.compose(style: parts.style, content: parts.content), images) < 1e-5)
        #expect(distance(space.contentSimilarity(parts.content, parts.content), Tensor([1, 1, 1] as [Float])) < 1e-6)
    }

    @Test func aBrighterImageDiffersInStyleAlone() throws {
        let images = try reference("styles") * 0.5
        let space = FourierSpace()
        let (dark, bright) = (space.decompose(images), space.decompose(images * 2))
        #expect(distance(space.contentSimilarity(dark.content, bright.content), Tensor([1, 1, 1] as [Float])) < 1e-4)
        #expect(distance(space.compose(style: bright.style, content: dark.content), images * 2) < 1e-5)
    }

    @Test func oneRowIsComparedWithMany() throws {
        let space = FourierSpace()
        let parts = space.decompose(try reference("styles"))
        #expect(space.contentSimilarity(parts.content[0..<1], parts.content).shape == [3])
        #expect(StyleSimilarity.euclidean(parts.style[0..<1], parts.style).scalars(Double.self)[0] == 0)
    }

    @Test func theLogarithmicSimilarityKeepsSigns() {
        let (a, b) = (Tensor([0, 1, -3] as [Float], shape: [1, 3]), Tensor([0, 3, 3] as [Float], shape: [1, 3]))
        // log 4 − log 2 and 2 log 4 apart.
        let expected = -(log(2.0) * log(2.0) + 4 * log(4.0) * log(4.0)).squareRoot()
        #expect(abs(StyleSimilarity.logarithmic(a, b).scalars(Double.self)[0] - expected) < 1e-5)
    }

    @Test func adaINEqualsPyTorch() throws {
        let (maps, targets) = (try reference("maps"), try reference("targets"))
        let content = AdaIN.decompose(maps).content
        #expect(distance(content, try reference("normalised")) < 1e-5)
        let style = AdaIN.decompose(targets).style
        #expect(style.shape == [2, 8])
        let composed = AdaIN.compose(style: style, content: content)
        #expect(distance(composed, try reference("adain")) < 1e-5)
        // Its statistics are the target's.
        #expect(distance(AdaIN.decompose(composed).style, style) < 1e-4)
        let own = AdaIN.decompose(maps)
        #expect(distance(AdaIN.compose(style: own.style, content: own.content), maps) < 1e-5)
    }

    @Test func latentsOfAnAutoencoder() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
            .appendingPathComponent("../../DiffusionTests/Fixtures/sd1/vae").standardized.path
        let file = "\(folder)/diffusion_pytorch_model.safetensors"
        let store = ParameterStore(try StateDict(safetensors: file), name: file)
        let vae = AutoencoderKL(store, try AutoencoderKLConfig(path: "\(folder)/config.json"))
        let space = LatentAdaINSpace(vae, model: "tiny")
        let images = Tensor.rand([2, 3, 32, 32], generator: Generator(seed: 1))
        let (parts, direct) = noGrad { (space.decompose(images), vae.decode(vae.encode(images * 2 - 1))) }
        let again = noGrad { space.compose(style: parts.style, content: parts.content) }
        #expect(distance(again, (direct * 0.5 + 0.5).clamp(min: 0, max: 1)) < 1e-4)
        #expect(distance(space.contentSimilarity(parts.content, parts.content), Tensor([1, 1] as [Float])) < 1e-5)
        #expect(space.fingerprint != LatentAdaINSpace(vae, model: "other").fingerprint)
    }
}
