import Foundation

/// Student's t distribution.
enum StudentT {
    /// The t that 95 % of the distribution lie within: 1.96 for many degrees of freedom, 4.30 for two, 12.7 for one.
    /// - Parameter freedom: degrees of freedom, not necessarily whole, at least 1.
    static func quantile95(freedom: Double) -> Double {
        let normal = 1.959964
        // The expansion's next term is below 1e-4.
        guard freedom < 200 else { return normal + (normal * normal * normal + normal) / (4 * freedom) }
        // With t = √ν·tan θ the density is cos^(ν−1) θ on (−π/2, π/2): summed up by the midpoint rule.
        let cells = 4000
        let width = Double.pi / 2 / Double(cells)
        let density = (0..<cells).map { pow(cos((Double($0) + 0.5) * width), freedom - 1) }
        var rest = 0.95 * density.reduce(0, +)
        var cell = 0
        while rest > density[cell] {
            rest -= density[cell]
            cell += 1
        }
        return freedom.squareRoot() * tan((Double(cell) + rest / density[cell]) * width)
    }
}
