import Diffusion
import DomainFusion
import EmojiDG
import Foundation
import Foundations
import Pixels
import Torch

/// The images and captions that the embedded LDM learns from: what `domainfusion data prepare emoji` renders as corpus.
public struct LDMCorpus {
    /// One image of the corpus and what is known of it.
    public struct Entry: Sendable {
        /// The image file, relative to the corpus' folder.
        public let path: String
        /// The vendor's style words: "flat colour".
        public let style: String
        /// The Unicode name: "lion".
        public let name: String
        /// The class, or the subgroup of an item outside the classes.
        public let kind: String
        /// Whether it belongs to one of the benchmark's classes.
        public let isOfClass: Bool
    }

    /// The images' entries, in the order of ``images``.
    public let entries: [Entry]
    /// The pixels of all images, uint8 [N, 3, size, size].
    public let images: Tensor
    /// Side of the images in pixels.
    public let size: Int

    /// The training part: every item but those of ``heldOut``.
    public var training: LDMCorpus { part(isHeldOut.map { !$0 }) }
    /// One item in twenty, in all its styles: for reconstruction and validation.
    public var heldOut: LDMCorpus { part(isHeldOut) }
    /// The images of the benchmark's classes.
    public var ofClasses: LDMCorpus { part(entries.map(\.isOfClass)) }
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
    /// - Throws: an error naming the folder or the file, and the remedy.
    public init(folder: String, size: Int) throws {
        let records = try EmojiRecord.read(from: folder)
        let isHeldOut = records.map { crc32($0.item) / 15 % 20 == 0 }
        guard isHeldOut.contains(false) else {
            throw UserError(
                "\(folder)/manifest.jsonl: lists no image to train on; run 'domainfusion data prepare emoji --ldm-corpus'"
            )
        }
        let decoded = try parallelMap(records.count, threads: 2) { index in
            let record = records[index]
            let image = try ImageFile.decode("\(folder)/\(record.path)")
            guard image.width == size, image.height == size else {
                throw FileFormatError(
                    path: "\(folder)/\(record.path)", problem: "is \(image.width)×\(image.height)",
                    remedy: "prepare the corpus at \(size)×\(size), or pass --image-size")
            }
            return image
        }
        let bytes = Tensor(decoded.flatMap(\.pixels), shape: [records.count, size, size, 3])
        self.init(
            entries: records.map { record in
                Entry(
                    path: record.path, style: record.style, name: record.name,
                    kind: record.class?.rawValue ?? record.subgroup.replacingOccurrences(of: "-", with: " "),
                    isOfClass: record.class != nil)
            },
            images: bytes.permuted(0, 3, 1, 2).contiguous(), size: size,
            isHeldOut: isHeldOut)
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

extension LDMCorpus.Entry {
    /// Eight captions to draw from: a quarter without style words, half with the class in place of the name.
    public var captions: [String] {
        [String](repeating: styledCaption(name), count: 3) + [String](repeating: styledCaption(kind), count: 3)
            + [name, kind].map { "an emoji of \(Caption.withArticle($0))" }
    }

    /// "a cartoon emoji of a lion", in the entry's style.
    public func styledCaption(_ words: String) -> String {
        "\(Caption.withArticle("\(style) emoji")) of \(Caption.withArticle(words))"
    }
}
