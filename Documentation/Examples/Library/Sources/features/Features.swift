import Backbones
import Foundations
import Pixels
import Torch

/// Prints how alike two images are to a ResNet-18: `features WEIGHTS IMAGE IMAGE`, with `none` for fresh weights.
@main
struct Features {
    static func main() throws {
        let arguments = CommandLine.arguments.dropFirst()
        print(arguments.count)
    }
}
