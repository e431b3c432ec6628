import Pixels

extension RGBImage {
    /// The largest square in the middle, resized to `size`×`size`: as a diffusion model takes an image.
    func square(_ size: Int) -> RGBImage {
        let side = min(width, height)
        let box = CropBox(x: (width - side) / 2, y: (height - side) / 2, width: side, height: side)
        return resizedCrop(box, width: size, height: size)
    }
}
