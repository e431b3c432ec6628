import Crypto
import Foundation
import Testing

@testable import DomainGeneralization

/// Values recomputed with Python and numpy, equal to DomainBed's.
struct SeedHashTests {
    @Test func equalsDomainBeds() {
        #expect(seedHash(0, 0) == 894_182_419)
        #expect(seedHash(0, 1) == 1_514_274_641)
        #expect(seedHash(1, 0) == 785_910_682)
        #expect(seedHash(2, 3) == 1_709_828_778)
        #expect(seedHash(1) == 1_051_079_061)
        #expect(seedHash(0, "lr") == 1_017_368_932)
        #expect(seedHash("PACS", "ERM", [0], 0, 0) == 94_828_300)
        #expect(seedHash("VLCS", "ERM", [1, 2], 1, 0) == 360_234_358)
    }

    @Test func writesTextAsPythonDoes() {
        #expect(SeedPart.string("it's").repr == "\"it's\"")
        #expect(SeedPart.string("a\"b").repr == "'a\"b'")
        #expect(SeedPart.string("'\"\\").repr == "'\\'\"\\\\'")
    }
}

struct MersenneTwisterTests {
    @Test func drawsNumpysWords() {
        var generator = MersenneTwister(seed: 894_182_419)
        #expect((0..<3).map { _ in generator.next() } == [783_168_908, 2_201_458_295, 3_345_206_294])
    }

    @Test func shufflesAsNumpy() {
        var small = MersenneTwister(seed: 894_182_419)
        #expect(small.permutation(10) == [2, 3, 8, 1, 4, 5, 0, 9, 6, 7])
        var large = MersenneTwister(seed: 894_182_419)
        let order = large.permutation(2048)
        #expect(Array(order.prefix(8)) == [548, 677, 1997, 977, 1553, 1123, 1936, 1520])
        let text = order.map(String.init).joined(separator: ",")
        let digest = Insecure.MD5.hash(data: Data(text.utf8)).map { String(format: "%02x", $0) }.joined()
        #expect(digest == "8116b559818587f05737daf35f167615")
    }

    @Test func shufflesNothingAndOne() {
        var generator = MersenneTwister(seed: 1)
        #expect(generator.permutation(0).isEmpty)
        #expect(generator.permutation(1) == [0])
    }
}
