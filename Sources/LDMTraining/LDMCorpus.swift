import Diffusion
import DomainFusion
import DomainGeneralization
import EmojiDG
import Foundation
import Foundations
import Pixels
import Torch

/// The images and captions that a small LDM learns from: what `domainfusion data prepare emoji` renders as corpus, or the source
/// domains of a data set.
public struct LDMCorpus {
    /// One image of the corpus and what is known of it.
    public struct Entry: Sendable {
        /// The image file, relative to the corpus' folder.
        public let path: String
        /// The words for its domain's style: "flat colour".
        public let style: String
        /// What is shown: the Unicode name ("lion"), or of a data set the class.
        public let name: String
        /// The class, or of an emoji outside the classes the subgroup.
        public let kind: String
        /// Whether it belongs to one of the classes that count, those of the benchmark.
        public let isOfClass: Bool
        /// How its captions are worded.
        public let words: CaptionWords
    }

    /// The images' entries, in the order of ``images``.
    public let entries: [Entry]
    /// The pixels of all images, uint8 [N, 3, size, size].
    public let images: Tensor
    /// Side of the images in pixels.
    public let size: Int

    /// The training part: every item but those of ``heldOut``.
    public var training: LDMCorpus { part(isHeldOut.map { !$0 }) }
    /// For reconstruction and validation: of emoji one item in twenty, in all its styles; of a data set the validation parts.
    public var heldOut: LDMCorpus { part(isHeldOut) }
    /// The images of the benchmark's classes.
    public var ofClasses: LDMCorpus { part(entries.map(\.isOfClass)) }
    /// The names of the classes, sorted.
    public var classes: [String] { Set(entries.filter(\.isOfClass).map(\.kind)).sorted() }
    private let isHeldOut: [Bool]

    /// A hash of images and captions, so that a training does not go on with others.
    var digest: String {
        let texts = entries.map { "\($0.path) \($0.style) \($0.name) \($0.kind)" }.joined(separator: "\n")
        let pixels = images.scalars(UInt8.self)
        return pixels.withUnsafeBytes { pixels in
            Array(texts.utf8).withUnsafeBytes { SHA256Sum.of(pixels, $0) }
        }
    }

    /// Decodes all images of the folder that `domainfusion data prepare emoji` wrote.
    /// - Parameter without: domains (vendors) whose images are left out.
    /// - Throws: an error naming the folder or the file, and the remedy.
    public init(folder: String, size: Int, without: [String] = []) throws {
        let all = try EmojiRecord.read(from: folder)
        let domains = Set(all.map(\.domain.rawValue))
        if let unknown = without.first(where: { !domains.contains($0) }) {
            throw UserError("\(folder): no domain '\(unknown)'" + suggestion(for: unknown, among: domains.sorted()))
        }
        let records = all.filter { !without.contains($0.domain.rawValue) }
        let isHeldOut = records.map { crc32($0.item) / 15 % 20 == 0 }
        guard isHeldOut.contains(false) else {
            throw UserError(
                "\(folder)/manifest.jsonl: lists no image to train on; run 'domainfusion data prepare emoji --ldm-corpus'"
            )
        }
        self.init(
            entries: records.map { record in
                Entry(
                    path: record.path, style: record.style, name: record.name,
                    kind: record.class?.rawValue ?? record.subgroup.replacingOccurrences(of: "-", with: " "),
                    isOfClass: record.class != nil, words: .emoji)
            },
            images: try Self.pixels(records.map { "\(folder)/\($0.path)" }) { image, path in
                guard image.width == size, image.height == size else {
                    throw FileFormatError(
                        path: path, problem: "is \(image.width)×\(image.height)",
                        remedy: "prepare the corpus at \(size)×\(size), or pass --image-size")
                }
                return image
            }, size: size, isHeldOut: isHeldOut)
    }

    /// Decodes the source domains of a data set. Their validation parts are held out, as the split of trial 0 has them: no image
    /// of these, or of a domain left out, is ever learned from.
    /// - Parameters:
    ///   - size: the images' side; they are scaled to it without regard to their proportions, as DomainBed does.
    ///   - without: the domains left out, a run's held-out ones.
    ///   - styles: words for the style of a domain; its name by default.
    /// - Throws: `UserError` for a domain that there is none of, or where nothing is left; an image's error.
    public init(dataset: ImageFolder, size: Int, without: [String], styles: [String: String] = [:]) throws {
        let left = try Set(without.map(dataset.environment(named:)))
        for name in styles.keys.sorted() { _ = try dataset.environment(named: name) }
        let split = Split(dataset, trialSeed: 0)
        let environments = dataset.environments.indices.filter { !left.contains($0) }
        let validation = Set(environments.flatMap { split.validation[$0] })
        let indices = environments.flatMap { split.training[$0] + split.validation[$0] }.sorted()
        guard indices.contains(where: { !validation.contains($0) }) else {
            throw UserError("\(dataset.root): no image to train on is left; leave fewer domains out")
        }
        let items = indices.map { dataset.items[$0] }
        self.init(
            entries: items.map { item in
                let domain = dataset.environments[item.environment]
                let name = dataset.classes[item.label].replacing("_", with: " ")
                return Entry(
                    path: dataset.relativePath(of: item), style: styles[domain] ?? domain.replacing("_", with: " "),
                    name: name, kind: name, isOfClass: true, words: .dataset)
            },
            images: try Self.pixels(items.map(\.path)) { image, _ in image.resized(width: size, height: size) },
            size: size, isHeldOut: indices.map(validation.contains))
    }

    /// The images of files, uint8 [N, 3, H, W].
    private static func pixels(_ paths: [String], _ fit: @escaping @Sendable (RGBImage, String) throws -> RGBImage)
        throws
        -> Tensor
    {
        let decoded = try parallelMap(paths.count, threads: 2) { try fit(ImageFile.decode(paths[$0]), paths[$0]) }
        guard let first = decoded.first else { return Tensor.zeros([0, 3, 1, 1]).to(dtype: .uint8) }
        let bytes = Tensor(decoded.flatMap(\.pixels), shape: [decoded.count, first.height, first.width, 3])
        return bytes.permuted(0, 3, 1, 2).contiguous()
    }

    private init(entries: [Entry], images: Tensor, size: Int, isHeldOut: [Bool]) {
        self.entries = entries
        self.images = images
        self.size = size
        self.isHeldOut = isHeldOut
    }

    private func part(_ keep: [Bool]) -> LDMCorpus {
        let indices = entries.indices.filter { keep[$0] }
        return LDMCorpus(
            entries: indices.map { entries[$0] }, images: images.indexSelect(0, Tensor(indices.map(Int64.init))),
            size: size, isHeldOut: indices.map { isHeldOut[$0] })
    }
}

/// How the captions of a corpus are worded: `{a style}` stands for the style, `{a class}` for what is shown.
public struct CaptionWords: Sendable, Equatable {
    /// A caption that names the style.
    public let styled: String
    /// One that does not.
    public let plain: String

    /// "a cartoon emoji of a lion", "an emoji of a lion".
    public static let emoji = CaptionWords(styled: "{a style} emoji of {a class}", plain: "an emoji of {a class}")
    /// "a sketch of a dog", "a picture of a dog".
    public static let dataset = CaptionWords(styled: "{a style} of {a class}", plain: "a picture of {a class}")
}

extension LDMCorpus.Entry {
    /// Eight captions to draw from: a quarter without style words, half with the class in place of the name.
    public var captions: [String] {
        [String](repeating: styledCaption(name), count: 3) + [String](repeating: styledCaption(kind), count: 3)
            + [name, kind].map { Caption.prompt(words.plain, class: $0) }
    }

    /// What is shown in words of its own, in the entry's style: "a cartoon emoji of a lion".
    public func styledCaption(_ shown: String) -> String {
        Caption.prompt(Caption.prompt(words.styled, style: style), class: shown)
    }
}
