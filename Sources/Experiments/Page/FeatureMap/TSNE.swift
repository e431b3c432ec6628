import Foundation
import Torch

/// Points of a plane that lie as near to each other as rows of numbers do (t-SNE; van der Maaten & Hinton, JMLR 2008), with
/// scikit-learn's start (principal components) and schedule: early exaggeration by 12 for 250 steps, momentum 0.5 and then 0.8, gains, a rate of n/48 and 50 at least.
struct TSNE {
    /// How many neighbours a point has, about.
    var perplexity = 30.0
    /// Steps of the descent.
    var steps = 750
    private static let exaggeratedSteps = 250

    /// The places of rows.
    /// - Parameter rows: float32 [N, D], N of 4 at least.
    /// - Returns: N pairs, about the origin.
    func places(_ rows: Tensor) -> [(x: Double, y: Double)] {
        let count = rows.size(0)
        let likeness = Self.joint(rows, perplexity: min(perplexity, Double(count - 1) / 3))
        let rate = max(50, Double(count) / 48)
        return noGrad {
            var places = Self.start(rows)
            var velocity = Tensor.zeros([count, 2])
            var gains = Tensor.ones([count, 2])
            for step in 0..<steps {
                let isEarly = step < Self.exaggeratedSteps
                let gradient = Self.gradient(isEarly ? 12 * likeness : likeness, at: places)
                let isOpposed = (gradient * velocity).less(than: 0).to(dtype: .float32)
                gains = (isOpposed * (gains + 0.2) + (1 - isOpposed) * (gains * 0.8)).clamp(min: 0.01)
                velocity = (isEarly ? 0.5 : 0.8) * velocity - rate * gains * gradient
                places = places + velocity
            }
            let numbers = places.scalars(Double.self)
            return (0..<count).map { (numbers[2 * $0], numbers[2 * $0 + 1]) }
        }
    }

    /// The two principal components, found by orthogonal iteration, of a deviation of 1e-4.
    private static func start(_ rows: Tensor) -> Tensor {
        let centred = rows - rows.mean([0], keepDimensions: true)
        var axes = Tensor.randn([rows.size(1), 2], generator: Generator(seed: 0))
        for _ in 0..<40 {
            axes = centred.transposed(0, 1).matmul(centred.matmul(axes))
            let first = unit(axes.narrowed(1, start: 0, length: 1))
            let second = axes.narrowed(1, start: 1, length: 1)
            axes = .concatenated([first, unit(second - (first * second).sum() * first)], dimension: 1)
        }
        let places = centred.matmul(axes)
        return places * (1e-4 / max((places * places).mean().sqrt().item(), 1e-12))
    }

    private static func unit(_ vector: Tensor) -> Tensor { vector / (vector * vector).sum().sqrt().clamp(min: 1e-20) }

    /// The gradient of the Kullback-Leibler divergence, `4·Σ_j (p_ij − q_ij)·(y_i − y_j)/(1 + ‖y_i − y_j‖²)`.
    /// - Parameters:
    ///   - likeness: p, [N, N].
    ///   - places: y, [N, 2].
    static func gradient(_ likeness: Tensor, at places: Tensor) -> Tensor {
        let weights = kernel(places)
        let forces = (likeness - weights / weights.sum()) * weights
        return 4 * (forces.sum([1], keepDimensions: true) * places - forces.matmul(places))
    }

    /// The heavy-tailed likeness of places before it is made to add up to 1, with zeros on the diagonal.
    static func kernel(_ places: Tensor) -> Tensor {
        others(places.size(0)) / (1 + distances(places))
    }

    /// Squared distances of rows, [N, N].
    static func distances(_ rows: Tensor) -> Tensor {
        let norms = (rows * rows).sum([1], keepDimensions: true)
        return (norms + norms.transposed(0, 1) - 2 * rows.matmul(rows.transposed(0, 1))).clamp(min: 0)
    }

    /// p, symmetric and adding up to 1: for every row Gaussian likeness of a width that gives it the perplexity.
    static func joint(_ rows: Tensor, perplexity: Double) -> Tensor {
        let count = rows.size(0)
        let squares = distances(rows).scalars(Double.self)
        var conditional: [Float] = []
        conditional.reserveCapacity(count * count)
        for row in 0..<count {
            let own = Array(squares[(row * count)..<((row + 1) * count)])
            conditional += neighbours(own, of: row, perplexity: perplexity).map(Float.init)
        }
        let tensor = Tensor(conditional, shape: [count, count])
        return ((tensor + tensor.transposed(0, 1)) / Double(2 * count)).clamp(min: 1e-12) * others(count)
    }

    /// Ones with zeros on the diagonal: a point is no neighbour of its own.
    private static func others(_ count: Int) -> Tensor {
        let numbers = (0..<count).map(Float.init)
        let isOwn = Tensor(numbers, shape: [count, 1]).equal(Tensor(numbers, shape: [1, count]))
        return 1 - isOwn.to(dtype: .float32)
    }

    /// The likeness of a row to the others, found by bisection of the Gaussian's precision.
    private static func neighbours(_ squares: [Double], of row: Int, perplexity: Double) -> [Double] {
        let nearest = squares.indices.filter { $0 != row }.map { squares[$0] }.min() ?? 0
        var (low, high, precision) = (0.0, Double.infinity, 1.0)
        var result = [Double](repeating: 0, count: squares.count)
        for _ in 0..<60 {
            var (sum, weighted) = (0.0, 0.0)
            for index in squares.indices where index != row {
                // From the nearest on, so that one number at least is not 0.
                let distance = squares[index] - nearest
                result[index] = exp(-precision * distance)
                sum += result[index]
                weighted += result[index] * distance
            }
            let entropy = log(sum) + precision * weighted / sum
            for index in result.indices { result[index] /= sum }
            if abs(entropy - log(perplexity)) < 1e-6 { break }
            if entropy > log(perplexity) {
                low = precision
                precision = high.isFinite ? (low + high) / 2 : 2 * precision
            } else {
                high = precision
                precision = (low + high) / 2
            }
        }
        return result
    }
}
