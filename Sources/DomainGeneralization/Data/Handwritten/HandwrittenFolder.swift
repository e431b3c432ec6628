import Foundation
import Foundations
import Pixels
import Torch

extension HandwrittenBenchmark {
    /// One image of a domain.
    struct Drawing: Sendable {
        let label: Int
        let image: RGBImage
    }

    /// Draws the benchmark as DomainBed does with `torch.manual_seed(seed)` before, and writes it as a data set:
    /// `<directory>/<name>/<domain>/<class>/<place in DomainBed's environment>.png`. A coloured image has its two
    /// channels in red and green.
    ///
    /// Nothing is done where the folder was made from the same files with the same settings.
    /// - Parameters:
    ///   - source: the folder of the four idx files; by default the first of ``usualFolders`` that has them.
    ///   - limit: the most images of a domain; 0 for all.
    ///   - progress: called with the numbers of images written and of all, from several threads.
    /// - Returns: the folder.
    /// - Throws: `UserError` for files that are missing or no idx files, or a folder that cannot be written.
    public func prepare(
        into directory: String, source: String? = nil, seed: Int = 0, limit: Int = 0, threads: Int = 1,
        progress: @escaping @Sendable (Int, Int) -> Void = { _, _ in }
    ) throws -> String {
        let files = FileManager.default
        let candidates = source.map { [$0] } ?? usualFolders
        guard let folder = candidates.first(where: { (try? Self.files(in: $0)) != nil }) else {
            if let source { _ = try Self.files(in: source) }
            throw UserError("no idx files in \(candidates.joined(separator: ", ")); \(remedy)")
        }
        let sources = try Self.files(in: folder)
        let stamp = JSONValue.object([
            "seed": .int(seed), "limit": .int(limit),
            "sizes": .array(
                sources.map { .int(((try? files.attributesOfItem(atPath: $0))?[.size] as? NSNumber)?.intValue ?? 0) }),
        ])
        let path = "\(directory)/\(rawValue)"
        if let old = files.contents(atPath: "\(path)/source.json"), String(decoding: old, as: UTF8.self) == stamp.text {
            return path
        }
        let domains = try draw(sources, seed: seed, limit: limit)
        do {
            try write(domains, stamp: stamp.text, to: path, threads: threads, progress: progress)
        } catch {
            let reason = (error as? FileFormatError)?.problem ?? error.localizedDescription
            throw UserError("\(path): cannot be written (\(reason)); free some space, or use --output")
        }
        return path
    }

    /// Images and labels of the training and the test part, plain or gzipped.
    private static func files(in folder: String) throws -> [String] {
        try [
            "train-images-idx3-ubyte", "t10k-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-labels-idx1-ubyte",
        ].map { name in
            let found = ["\(folder)/\(name).gz", "\(folder)/\(name)"].first {
                Files.exists($0)
            }
            guard let found else {
                throw UserError("\(folder)/\(name).gz: no such file; put the four files of MNIST's format there")
            }
            return found
        }
    }

    /// The images of each domain in DomainBed's order.
    func draw(_ sources: [String], seed: Int, limit: Int) throws -> [[Drawing]] {
        let parts = try sources.map { try IDXFile($0) }
        for (images, labels, path) in [(parts[0], parts[2], sources[0]), (parts[1], parts[3], sources[1])] {
            guard images.shape.count == 3, images.shape[1...] == [28, 28], labels.shape == [images.shape[0]] else {
                throw UserError("\(path): no 28×28 images with a label each; fetch the four files again")
            }
        }
        let labels = parts[2].bytes + parts[3].bytes
        let pixels = parts[0].bytes + parts[1].bytes
        let generator = Generator(seed: UInt64(bitPattern: Int64(seed)))
        let order = Tensor.randperm(labels.count, generator: generator).scalars(Int.self)
        return domains.indices.map { environment in
            let places = stride(from: environment, to: order.count, by: domains.count).map { order[$0] }
            // Drawn for all images, so that a limit takes the first of the same ones.
            let flips = isColored ? Tensor.rand([places.count], generator: generator).scalars(Float.self) : []
            let colors = isColored ? Tensor.rand([places.count], generator: generator).scalars(Float.self) : []
            return places.prefix(limit > 0 ? limit : places.count).enumerated().map { index, place in
                let grey = Array(pixels[(place * 784)..<(place * 784 + 784)])
                guard isColored else {
                    return Drawing(
                        label: Int(labels[place]),
                        image: Self.image(rotated(grey, side: 28, degrees: Self.angles[environment])) { [$0, $0, $0] })
                }
                let label = (labels[place] < 5) != (flips[index] < 0.25)
                let isGreen = label != (colors[index] < Float(Self.colors[environment].flip))
                return Drawing(
                    label: label ? 1 : 0, image: Self.image(grey) { isGreen ? [0, $0, 0] : [$0, 0, 0] })
            }
        }
    }

    private static func image(_ grey: [UInt8], _ color: (UInt8) -> [UInt8]) -> RGBImage {
        RGBImage(width: 28, height: 28, pixels: grey.flatMap(color))
    }

    private func write(
        _ drawings: [[Drawing]], stamp: String, to path: String, threads: Int,
        progress: @escaping @Sendable (Int, Int) -> Void
    ) throws {
        try AtomicFolder.replace(path) { new in
            try fill(new, with: drawings, stamp: stamp, threads: threads, progress: progress)
        }
    }

    private func fill(
        _ new: String, with drawings: [[Drawing]], stamp: String, threads: Int,
        progress: @escaping @Sendable (Int, Int) -> Void
    ) throws {
        let folders = Set(zip(domains, drawings).flatMap { domain, images in images.map { "\(domain)/\($0.label)" } })
        for folder in folders.sorted() {
            try FileManager.default.createDirectory(atPath: "\(new)/\(folder)", withIntermediateDirectories: true)
        }
        let all = zip(domains, drawings).flatMap { domain, images in
            images.enumerated().map { index, drawing in
                let name = String(repeating: "0", count: max(0, 5 - "\(index)".count)) + "\(index)"
                return ("\(new)/\(domain)/\(drawing.label)/\(name).png", drawing.image)
            }
        }
        _ = try parallelMap(all.count, threads: threads) { index in
            try Data(PNG.encode(all[index].1)).write(to: URL(fileURLWithPath: all[index].0))
            if index % 500 == 499 || index == all.count - 1 { progress(index + 1, all.count) }
        }
        try Data(stamp.utf8).write(to: URL(fileURLWithPath: "\(new)/source.json"))
    }
}
