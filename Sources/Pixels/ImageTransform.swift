import Foundation
import Foundations

/// A step between decoding an image and the network. A transform that draws random numbers takes them from the
/// generator it is given, so that its result is a pure function of the image and the generator's seed.
public protocol ImageTransform: Sendable {
    /// Changes the image in place, drawing from `generator` what is random.
    func apply(_ image: inout RGBImage, using generator: inout some RandomNumberGenerator)
}

/// Scales to a fixed size, whatever the aspect ratio (torchvision's `Resize((height, width))`).
public struct Resize: ImageTransform {
    /// Width of the result in pixels.
    public var width: Int
    /// Height of the result in pixels.
    public var height: Int

    /// Scales to `size × size` pixels.
    public init(_ size: Int) { self.init(width: size, height: size) }

    /// Scales to `width × height` pixels.
    public init(width: Int, height: Int) {
        self.width = width
        self.height = height
    }

    /// Scales the image; draws nothing.
    public func apply(_ image: inout RGBImage, using generator: inout some RandomNumberGenerator) {
        image = image.resized(width: width, height: height)
    }
}

/// Cuts out a rectangle of random area, aspect ratio and place, and scales it to a square (torchvision's
/// `RandomResizedCrop`).
public struct RandomResizedCrop: ImageTransform {
    /// Side of the square result in pixels.
    public var size: Int
    /// The part of the image's area that the rectangle covers.
    public var scale: ClosedRange<Double>
    /// Width over height of the rectangle, drawn evenly in the logarithm.
    public var ratio: ClosedRange<Double>

    /// Crops as torchvision does by default, but for DomainBed's range of areas, 0.7 to 1.
    public init(_ size: Int, scale: ClosedRange<Double> = 0.7...1, ratio: ClosedRange<Double> = (3.0 / 4)...(4.0 / 3)) {
        self.size = size
        self.scale = scale
        self.ratio = ratio
    }

    /// Draws a rectangle (``draw(width:height:using:)``), cuts it out and scales it.
    public func apply(_ image: inout RGBImage, using generator: inout some RandomNumberGenerator) {
        let box = draw(width: image.width, height: image.height, using: &generator)
        image = image.resizedCrop(box, width: size, height: size)
    }

    /// Draws the rectangle for an image of `width × height` pixels. After ten rectangles that do not fit, the largest
    /// in the middle whose aspect ratio is allowed.
    public func draw(width: Int, height: Int, using generator: inout some RandomNumberGenerator) -> CropBox {
        for _ in 0..<10 {
            let area = Double(width * height) * generator.uniform(scale.lowerBound, scale.upperBound)
            let aspect = exp(generator.uniform(log(ratio.lowerBound), log(ratio.upperBound)))
            let w = Int((area * aspect).squareRoot().rounded(.toNearestOrEven))
            let h = Int((area / aspect).squareRoot().rounded(.toNearestOrEven))
            guard 0 < w, w <= width, 0 < h, h <= height else { continue }
            let y = generator.below(height - h + 1)
            let x = generator.below(width - w + 1)
            return CropBox(x: x, y: y, width: w, height: h)
        }
        var (w, h) = (width, height)
        let aspect = Double(width) / Double(height)
        if aspect < ratio.lowerBound {
            h = Int((Double(w) / ratio.lowerBound).rounded(.toNearestOrEven))
        } else if aspect > ratio.upperBound {
            w = Int((Double(h) * ratio.upperBound).rounded(.toNearestOrEven))
        }
        return CropBox(x: (width - w) / 2, y: (height - h) / 2, width: w, height: h)
    }
}

/// Swaps left and right with a probability.
public struct RandomHorizontalFlip: ImageTransform {
    /// Share of images that are mirrored, 0…1.
    public var probability: Double

    /// Mirrors images with this probability.
    public init(_ probability: Double = 0.5) { self.probability = probability }

    /// Draws one number, and mirrors the image if it is below ``probability``.
    public func apply(_ image: inout RGBImage, using generator: inout some RandomNumberGenerator) {
        if generator.uniform() < probability { image.flipHorizontally() }
    }
}

/// Replaces the colours by greys with a probability.
public struct RandomGrayscale: ImageTransform {
    /// Share of images that lose their colours, 0…1.
    public var probability: Double

    /// Makes images grey with this probability; DomainBed's is 0.1.
    public init(_ probability: Double = 0.1) { self.probability = probability }

    /// Draws one number, and greys the image if it is below ``probability``.
    public func apply(_ image: inout RGBImage, using generator: inout some RandomNumberGenerator) {
        if generator.uniform() < probability { image.makeGrayscale() }
    }
}

/// Changes brightness, contrast, saturation and hue by random amounts in random order (torchvision's `ColorJitter`).
public struct ColorJitter: ImageTransform {
    /// The four changes, in the order in which torchvision numbers them.
    public enum Change: Int, Sendable, CaseIterable {
        /// Multiplies every sample by a factor: 0 is black.
        case brightness
        /// Mixes the image with its mean grey: a factor of 0 is that grey.
        case contrast
        /// Mixes the image with its greyscale version: a factor of 0 is that.
        case saturation
        /// Turns every colour around the colour circle.
        case hue
    }

    /// What is done to one image.
    public struct Amounts: Sendable, Equatable {
        /// The order of the changes.
        public var order: [Change]
        /// Factors about 1 of the change of the same name: 1 changes nothing.
        public var brightness, contrast, saturation: Double
        /// Turns of the colour circle about 0.
        public var hue: Double

        /// The amounts of the four changes, and their order.
        public init(order: [Change], brightness: Double, contrast: Double, saturation: Double, hue: Double) {
            self.order = order
            self.brightness = brightness
            self.contrast = contrast
            self.saturation = saturation
            self.hue = hue
        }
    }

    /// How far the factors may be from 1; 0.3 draws from 0.7…1.3.
    public var brightness, contrast, saturation: Double
    /// How far the hue may turn, 0…0.5.
    public var hue: Double

    /// Draws factors from 1 ± these amounts and a turn of ± `hue`.
    public init(brightness: Double, contrast: Double, saturation: Double, hue: Double) {
        self.brightness = brightness
        self.contrast = contrast
        self.saturation = saturation
        self.hue = hue
    }

    /// Draws the amounts for this image and makes the changes.
    public func apply(_ image: inout RGBImage, using generator: inout some RandomNumberGenerator) {
        Self.apply(draw(using: &generator), to: &image)
    }

    /// Draws the amounts for one image.
    public func draw(using generator: inout some RandomNumberGenerator) -> Amounts {
        var order = Change.allCases
        for i in stride(from: 3, to: 0, by: -1) { order.swapAt(i, generator.below(i + 1)) }
        func factor(_ width: Double, _ generator: inout some RandomNumberGenerator) -> Double {
            generator.uniform(max(0, 1 - width), 1 + width)
        }
        return Amounts(
            order: order, brightness: factor(brightness, &generator), contrast: factor(contrast, &generator),
            saturation: factor(saturation, &generator), hue: generator.uniform(-hue, hue))
    }

    /// Makes the given changes.
    public static func apply(_ amounts: Amounts, to image: inout RGBImage) {
        for change in amounts.order {
            switch change {
            case .brightness: image.adjustBrightness(amounts.brightness)
            case .contrast: image.adjustContrast(amounts.contrast)
            case .saturation: image.adjustSaturation(amounts.saturation)
            case .hue: image.adjustHue(amounts.hue)
            }
        }
    }
}
