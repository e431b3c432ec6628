/// Byte-pair encoding with CLIP's alphabet: words are UTF-8 bytes, and a word's last symbol carries the suffix `</w>`.
struct BytePairEncoder: Sendable {
    /// What the vocabulary or the merges lack.
    struct Failure: Error {
        let problem: String
    }

    /// The id of every token.
    let vocabulary: [String: Int]
    /// Pairs of tokens that are joined, the most frequent first.
    let merges: [(left: String, right: String)]

    /// The printable characters that stand for the bytes 0 ... 255: visible Latin-1 ones for themselves.
    static let byteCharacters: [Unicode.Scalar] = {
        var next: UInt32 = 256
        return (UInt32(0)..<256).map { byte in
            switch byte {
            case 33...126, 161...172, 174...255: return Unicode.Scalar(UInt8(byte))
            default:
                defer { next += 1 }
                return Unicode.Scalar(next) ?? " "
            }
        }
    }()

    /// The bytes in the order of their ids in CLIP's vocabulary.
    static let bytesInOrder: [Int] =
        (0..<256).filter { byteCharacters[$0].value < 256 } + (0..<256).filter { byteCharacters[$0].value >= 256 }

    private static let byteOfCharacter = Dictionary(
        byteCharacters.enumerated().map { ($1, UInt8($0)) }, uniquingKeysWith: { first, _ in first })

    /// The bytes that a token stands for, its suffix `</w>` included.
    static func bytes(of token: String) -> [UInt8] { token.unicodeScalars.compactMap { byteOfCharacter[$0] } }

    private let inner: [Int32]
    private let last: [Int32]
    private let ranks: [UInt64: Int]
    private let joined: [Int32]

    /// - Parameter unknown: the token for a byte that the vocabulary lacks.
    /// - Throws: `Failure` if a merge's parts or result are not in the vocabulary.
    init(vocabulary: [String: Int], merges: [(left: String, right: String)], unknown: Int) throws {
        self.vocabulary = vocabulary
        self.merges = merges
        inner = Self.byteCharacters.map { Int32(vocabulary[String($0)] ?? unknown) }
        last = Self.byteCharacters.map { Int32(vocabulary["\($0)</w>"] ?? unknown) }
        var ranks: [UInt64: Int] = [:]
        ranks.reserveCapacity(merges.count)
        joined = try merges.enumerated().map { rank, merge in
            guard let left = vocabulary[merge.left], let right = vocabulary[merge.right],
                let result = vocabulary[merge.left + merge.right]
            else { throw Failure(problem: "merge \"\(merge.left) \(merge.right)\" is not in the vocabulary") }
            ranks[Self.pair(Int32(left), Int32(right))] = rank
            return Int32(result)
        }
        self.ranks = ranks
    }

    /// The token ids of one word.
    func encode(_ word: some Collection<UInt8>) -> [Int] {
        var symbols = word.map { inner[Int($0)] }
        guard let final = word.suffix(1).first else { return [] }
        symbols[symbols.count - 1] = last[Int(final)]

        // Per symbol the rank of its pair with the next; only pairs beside a new symbol are looked up again.
        var pairRanks = zip(symbols, symbols.dropFirst()).map(rank)
        while let best = pairRanks.min(), best < Int.max {
            var shorter: [Int32] = []
            var shorterRanks: [Int] = []
            var previousIsNew = false
            var index = 0
            while index < symbols.count {
                let isNew = index < pairRanks.count && pairRanks[index] == best
                let symbol = isNew ? joined[best] : symbols[index]
                if let previous = shorter.last {
                    shorterRanks.append(isNew || previousIsNew ? rank(previous, symbol) : pairRanks[index - 1])
                }
                shorter.append(symbol)
                previousIsNew = isNew
                index += isNew ? 2 : 1
            }
            (symbols, pairRanks) = (shorter, shorterRanks)
        }
        return symbols.map(Int.init)
    }

    private func rank(_ left: Int32, _ right: Int32) -> Int { ranks[Self.pair(left, right)] ?? .max }

    private static func pair(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }
}
