import Backbones
import DomainGeneralization
import Foundations
import Pixels
import TestSupport
import Testing
import Torch

/// The code of the guide's page «Coming from PyTorch»; `DocumentationTests` compares the two.
struct ComingFromPyTorchTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test func tensors() {
        let x = Tensor([1, 2, 3, 4, 5, 6] as [Float], shape: [2, 3])  // torch.tensor([[1., 2., 3.], [4., 5., 6.]])
        let generator = Generator(seed: 0)  // torch.Generator().manual_seed(0)
        let noise = Tensor.randn([2, 3], generator: generator)  // torch.randn(2, 3, generator=generator)
        let y = (x + 0.1 * noise).relu().matmul(x.transposed(0, 1))  // relu(x + 0.1 * noise) @ x.T
        let means = y.mean([1], keepDimensions: true)  // y.mean(1, keepdim=True)
        let numbers: [Float] = means.scalars()  // means.flatten().tolist()
        print(y.shape, y.dtype, y.device, numbers)  // [2, 2] float32 cpu […]

        #expect(y.shape == [2, 2] && means.shape == [2, 1] && numbers.count == 2)
    }

    @Test func parts() {
        let x = Tensor.arange(to: 24).reshaped(2, 3, 4)
        let first = x[0]  // x[0]
        let rows = x[0..<1]  // x[0:1]
        let column = x.selected(2, 1)  // x[:, :, 1]
        let inside = x.narrowed(2, start: 1, length: 2)  // x[:, :, 1:3]
        let even = x.sliced(2, from: 0, to: 4, step: 2)  // x[:, :, 0:4:2]
        let chosen = x.indexSelect(1, Tensor([2, 0]))  // x[:, [2, 0]]
        let large = Tensor.zeros([1]).where(x.less(than: 5), else: x)  // torch.where(x < 5, 0., x)

        #expect(first.shape == [3, 4] && rows.shape == [1, 3, 4] && column.shape == [2, 3])
        #expect(inside.shape == [2, 3, 2] && even.shape == [2, 3, 2] && chosen.shape == [2, 2, 4])
        #expect(large.scalars(Float.self).prefix(6) == [0, 0, 0, 0, 0, 5])
    }

    @Test func autograd() throws {
        let w = Tensor([1, -2] as [Float])
        w.requiresGrad = true
        let loss = (w * w).sum()
        loss.backward()  // w.grad is [2, -4]

        let slope = gradients(of: [(w * w).sum()], with: [w], createGraph: true)[0]  // torch.autograd.grad(…)[0]
        let still = noGrad { w * 2 }  // with torch.no_grad(): w * 2

        #expect(w.grad?.scalars(Float.self) == [2, -4])
        #expect(try #require(slope).requiresGrad && !still.requiresGrad)
    }

    @Test func modules() throws {
        let path = folder.path("head.safetensors")

        struct Head {  // class Head(nn.Module):
            let hidden, output: Linear

            init(_ scope: Scope) {
                hidden = Linear(scope / "hidden", in: 16, out: 8)  // self.hidden = nn.Linear(16, 8)
                output = Linear(scope / "output", in: 8, out: 2)
            }

            func callAsFunction(_ x: Tensor) -> Tensor { output(hidden(x).relu()) }  // def forward(self, x):
        }

        let store = ParameterStore(seed: 0)
        let head = Head(store.root)
        print(store.state.names)  // hidden.weight, hidden.bias, output.weight, output.bias

        try store.state.write(safetensors: path)  // save_file(head.state_dict(), path)
        let other = ParameterStore(seed: 1)
        let same = Head(other.root)
        try other.load(StateDict(contentsOf: path), name: path)  // same.load_state_dict(load_file(path))

        #expect(head(.ones([4, 16])).scalars(Float.self) == same(.ones([4, 16])).scalars(Float.self))
    }

    @Test func training() throws {
        let store = ParameterStore(seed: 0)
        let model = Linear(store.root, in: 2, out: 2)
        store.setRequiresGrad(true)
        let optimizer = Optimizer(.adamW(), store.parameters, learningRate: 0.1, weightDecay: 0.01)
        let schedule = LearningRateSchedule.cosine(total: 50)
        let images = Tensor([0, 1, 1, 0] as [Float], shape: [2, 2])
        let labels = Tensor([0, 1])

        store.isTraining = true  // model.train()
        for step in 0..<50 {
            optimizer.learningRate = 0.1 * schedule.factor(step)
            let loss = crossEntropy(model(images), labels)
            optimizer.zeroGrad()
            loss.backward()
            clipGradients(store.parameters, maximum: 1)
            optimizer.step()
        }
        store.isTraining = false  // model.eval()
        let predictions = inferenceMode { model(images).argmax(1) }

        #expect(predictions.scalars(Int.self) == [0, 1])
    }

    @Test func data() throws {
        let root = try folder.makeDataset(count: 2)

        let dataset = try ImageFolder(root)  // DIR/<domain>/<class>/<image>: one level more than torchvision's
        let images = try ImageCache(dataset, threads: 2)  // decoded once; a broken file is found here
        let pipeline = ImagePipeline.training(size: 32)  // transforms.Compose([RandomResizedCrop(32), …])
        let batches = Prefetcher(threads: 2, ahead: 4) { step in  // DataLoader(dataset, batch_size=4, num_workers=2)
            var draw = SeededGenerator(seed: 0, domain: 0, step: step)
            let items = (0..<4).map { _ in dataset.items[draw.below(dataset.items.count)] }
            let x = pipeline.tensor(try items.map(images.image), size: 32) { place in
                SeededGenerator(seed: 0, domain: 1, step: step, index: place)
            }
            return (x, labels: Tensor(items.map(\.label)))
        }
        for _ in 0..<3 {
            let (x, labels) = try batches.next()
            print(x.shape, labels.shape)  // [4, 3, 32, 32] [4]
        }
    }

    @Test func devices() throws {
        let device = try Device(parsing: "auto")  // torch.device("cuda" if torch.cuda.is_available() else "cpu")
        let x = Tensor.ones([2, 2]).to(device: device)  // x.to(device)
        let y = autocast(device, dtype: .bfloat16) { x.matmul(x) }  // with torch.autocast("cpu", torch.bfloat16):

        #expect(y.dtype == .bfloat16 && y.to(device: .cpu).dtype == .bfloat16)
    }

    @Test func pretrained() throws {
        let path = folder.path("resnet18.safetensors")
        let network = try Backbones.named("resnet18")
        let trained = try Classifier(network, classCount: 1000, seed: 0)
        try trained.store.state.write(safetensors: path)

        let weights = try StateDict(contentsOf: path)  // torch.load(path), or safetensors, by its content
        let description = try Backbones.named("resnet18")
        let classifier = try Classifier(description, classCount: 7, weights: weights, name: path, seed: 0)
        let normalised = description.normalisation(Tensor.zeros([1, 3, 64, 64]))
        let logits = classifier.evaluating { classifier(normalised) }  // model.eval(); with torch.no_grad(): model(x)
        print(classifier.headIsFresh, logits.shape)  // true [1, 7]

        #expect(classifier.headIsFresh && logits.shape == [1, 7])
    }

    @Test func failures() {
        let a = Tensor.ones([2, 3])
        let result = Result { try withTorchErrors { a.matmul(a) } }  // try: a @ a
        if case .failure(let error) = result { print(error) }  // … shapes cannot be multiplied (2x3 and 2x3)

        #expect { try result.get() } throws: { "\($0)".contains("shapes cannot be multiplied (2x3 and 2x3)") }
    }
}
