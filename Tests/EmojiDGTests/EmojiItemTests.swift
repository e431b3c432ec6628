import Foundation
import Foundations
import Testing

@testable import EmojiDG

struct EmojiItemTests {
    /// Values of Python's `zlib.crc32`.
    @Test(
        arguments: [
            ("1F981", 2_313_618_196), ("1F600", 1_030_094_519), ("263A", 2_922_406_434), ("2600", 2_719_969_355),
            ("1F527", 2_473_703_375), ("1F46A", 1_337_576_693), ("A9", 4_156_482_739), ("", 0),
        ] as [(String, UInt32)])
    func crcEqualsZlib(text: String, expected: UInt32) {
        #expect(crc32(text) == expected)
    }

    @Test func splitsByTheCRCOfTheCodePoint() {
        func item(_ codePoint: UInt32, _ subgroup: String) -> EmojiItem {
            EmojiItem(codePoint: codePoint, name: "", subgroup: subgroup)
        }
        // crc32 % 3 and crc32 / 3 % 5: 1 and 0, 2 and 4, 0.
        let lion = item(0x1F981, "animal-mammal")
        #expect(lion.split == .benchmark && lion.isUnseen)
        let grinning = item(0x1F600, "face-smiling")
        #expect(grinning.split == .benchmark && !grinning.isUnseen)
        let smiling = item(0x263A, "face-affection")
        #expect(smiling.split == .corpus && !smiling.isUnseen)
        // Outside the ten classes, whatever its CRC.
        let family = item(0x1F46A, "family")
        #expect(crc32(family.hex) % 3 == 2 && family.split == .corpus && !family.isUnseen)
    }

    @Test func readsFullyQualifiedItemsOfOneCodePoint() {
        let items = EmojiItem.parse(
            """
            # group: Smileys & Emotion
            # subgroup: face-affection
            263A FE0F   ; fully-qualified     # ☺️ E0.6 smiling face
            263A        ; unqualified         # ☺ E0.6 smiling face
            # subgroup: hand-fingers-open
            1F44B       ; fully-qualified     # 👋 E0.6 waving hand
            1F44B 1F3FB ; fully-qualified     # 👋🏻 E1.0 waving hand: light skin tone
            # subgroup: skin-tone
            1F3FB       ; component           # 🏻 E1.0 light skin tone
            # subgroup: keycap
            0023 FE0F 20E3 ; fully-qualified  # #️⃣ E0.6 keycap: #
            """)
        #expect(
            items == [
                EmojiItem(codePoint: 0x263A, name: "smiling face", subgroup: "face-affection"),
                EmojiItem(codePoint: 0x1F44B, name: "waving hand", subgroup: "hand-fingers-open"),
            ])
    }

    @Test func namesFilesAndFolders() {
        let pinata = EmojiItem(codePoint: 0x1FA85, name: "piñata", subgroup: "event")
        #expect(pinata.fileName == "1FA85-pinata.png" && pinata.folderName == "event")
        let button = EmojiItem(codePoint: 0x1F21A, name: "Japanese “free of charge” button", subgroup: "arts & crafts")
        #expect(button.fileName == "1F21A-japanese-free-of-charge-button.png" && button.folderName == "arts-crafts")
        #expect(EmojiItem(codePoint: 0xA9, name: "copyright", subgroup: "other-symbol").hex == "00A9")
        #expect(EmojiItem(codePoint: 0x2600, name: "sun", subgroup: "sky & weather").folderName == "nature")
    }

    @Test func putsSubgroupsIntoTheTenClasses() {
        #expect(EmojiClass.allCases.count == 10)
        #expect(EmojiClass.allCases.map(\.rawValue) == EmojiClass.allCases.map(\.rawValue).sorted())
        let pairs: [(String, EmojiClass?)] = [
            ("face-costume", .face), ("cat-face", .face), ("hands", .hand), ("hand-prop", .hand), ("body-parts", nil),
            ("person-symbol", .person), ("family", nil), ("animal-bug", .animal), ("sky & weather", .nature),
            ("dishware", .food), ("place-other", .building), ("place-geographic", nil), ("transport-air", .vehicle),
            ("transport-sign", nil), ("clothing", .clothing), ("lock", .tool), ("heart", nil), ("country-flag", nil),
        ]
        for (subgroup, expected) in pairs { #expect(EmojiClass(subgroup: subgroup) == expected, "\(subgroup)") }
    }

    /// Counts that an independent Python script finds in Unicode 15.0's file.
    @Test(.enabled(if: Installed.unicodeVersion == "15.0"))
    func countsTheItemsOfUnicode15() throws {
        let items = try EmojiItem.read(emojiTest: PackageLocations.standard().emojiTest)
        #expect(items.count == 1377)
        let benchmark = items.filter { $0.split == .benchmark }
        let expected: [EmojiClass: (all: Int, unseen: Int)] = [
            .animal: (69, 18), .building: (34, 5), .clothing: (32, 10), .face: (84, 14), .food: (90, 25),
            .hand: (31, 6), .nature: (60, 10), .person: (68, 8), .tool: (133, 20), .vehicle: (47, 11),
        ]
        for (kind, counts) in expected {
            let found = benchmark.filter { $0.emojiClass == kind }
            #expect(found.count == counts.all, "\(kind)")
            #expect(found.filter(\.isUnseen).count == counts.unseen, "\(kind)")
        }
        #expect(items.filter { $0.split == .corpus && $0.emojiClass == nil }.count == 410)
    }

    @Test func namesThePackageOfAMissingFile() {
        #expect(throws: EmojiError.missing("/nowhere/emoji-test.txt", package: .debian("unicode-data"))) {
            try EmojiItem.read(emojiTest: "/nowhere/emoji-test.txt")
        }
    }
}

/// What this machine has installed.
enum Installed {
    static let unicodeVersion: String? = {
        let path = PackageLocations.standard().emojiTest
        guard let data = FileManager.default.contents(atPath: path) else { return nil }
        return String(decoding: data.prefix(2_000), as: UTF8.self).split(separator: "\n")
            .first { $0.hasPrefix("# Version: ") }.map { String($0.dropFirst("# Version: ".count)) }
    }()

    /// The repository's unpacked PyPI packages, whatever folder the tests run in.
    static let packages = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .appendingPathComponent("data/packages").path
}
