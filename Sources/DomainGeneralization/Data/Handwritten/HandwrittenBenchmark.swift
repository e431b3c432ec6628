/// DomainBed's benchmarks of 28×28 pixels, made from the files of MNIST or of a set in its format.
public enum HandwrittenBenchmark: String, Sendable, CaseIterable {
    /// MNIST's digits turned by 0° to 75°, a domain for each angle.
    case rotatedMNIST = "RotatedMNIST"
    /// MNIST's digits in two colours that agree with the label in 90 %, 80 % and 10 % of a domain.
    case coloredMNIST = "ColoredMNIST"
    /// Fashion-MNIST's clothes, turned as ``rotatedMNIST``.
    case rotatedFashionMNIST = "RotatedFashionMNIST"
    /// Fashion-MNIST's clothes, coloured as ``coloredMNIST``.
    case coloredFashionMNIST = "ColoredFashionMNIST"

    /// The name for the command line: `rotated-mnist`.
    public var command: String {
        switch self {
        case .rotatedMNIST: "rotated-mnist"
        case .coloredMNIST: "colored-mnist"
        case .rotatedFashionMNIST: "rotated-fashion-mnist"
        case .coloredFashionMNIST: "colored-fashion-mnist"
        }
    }

    /// Whether the domains are colours, and not angles.
    public var isColored: Bool { self == .coloredMNIST || self == .coloredFashionMNIST }

    /// Where the four files usually lie.
    public var usualFolders: [String] {
        switch self {
        case .rotatedMNIST, .coloredMNIST: ["data/MNIST/raw", "data/MNIST", "/usr/share/datasets/mnist"]
        case .rotatedFashionMNIST, .coloredFashionMNIST:
            ["/usr/share/datasets/fashion-mnist", "data/FashionMNIST/raw"]
        }
    }

    /// How to get the four files.
    public var remedy: String {
        switch self {
        case .rotatedMNIST, .coloredMNIST:
            "put MNIST's four idx files (train-images-idx3-ubyte.gz, …) into data/MNIST, or name their folder with --source"
        case .rotatedFashionMNIST, .coloredFashionMNIST:
            "install Debian's package (apt-get install dataset-fashion-mnist), or name the folder of the four idx files "
                + "with --source"
        }
    }

    /// The domains' folders, in DomainBed's order of environments, which is also the sorted one.
    public var domains: [String] {
        isColored ? Self.colors.map(\.folder) : Self.angles.map(String.init)
    }

    /// Degrees, counter-clockwise.
    static let angles = [0, 15, 30, 45, 60, 75]
    /// How often the colour is not the label's.
    static let colors: [(folder: String, flip: Double)] = [("0_plus90", 0.1), ("1_plus80", 0.2), ("2_minus90", 0.9)]
}
