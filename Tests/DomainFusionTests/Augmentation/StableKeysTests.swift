import DomainFusion
import Foundation
import Foundations
import Testing

/// What runs and stores of version 0.2.0 are known by: settings that came later must not change it.
@Suite struct StableKeysTests {
    @Test func recipesAndStoreKeysStay() throws {
        try withTemporaryFolder { folder in
            let augmentation = try someAugmentation(
                someSettings {
                    $0.composition = .fourier
                    $0.fourierRadius = 0.5
                }, store: "\(folder)/store")
            #expect(augmentation.recipe == "d54d6a136aa0725aa3d87f32b51baa983c5ef4e976a9b6e4038b54f1fea108ad")
            var ledger = Ledger()
            _ = try augmentation.set(round: 1, folder: "\(folder)/run", ledger: &ledger)
            let names = ContentStore("\(folder)/store").entries().map { $0.path.dropFirst(folder.count) }.sorted()
            #expect(
                SHA256Sum.of(names.joined(separator: "\n"))
                    == "f2b27c1890989f62eb1c3f4c4b3264955bfcd7a9c8551deb09737e471e34ea55")
        }
    }

    @Test(
        arguments: [
            { $0.contentSimilarity = .edges }, { $0.contentThreshold = 0.5 },
            { $0.amplitudes = .noise }, { $0.injection.blocks = 1 }, { $0.composition = .candidate },
            { $0.scheduler = .dpmSolver },
        ] as [@Sendable (inout AugmentationSettings) -> Void])
    func settingsThatCameLaterCountWhereTheyDiffer(
        _ change: @escaping @Sendable (inout AugmentationSettings) -> Void
    ) throws {
        let recipes = try [{ _ in }, change].map { change in
            let settings = someSettings {
                $0.composition = .fourier
                change(&$0)
            }
            return try someAugmentation(settings, store: "none").recipe
        }
        #expect(recipes[0] != recipes[1])
    }
}
