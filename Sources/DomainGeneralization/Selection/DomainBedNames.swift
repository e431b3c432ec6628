/// The names that DomainBed's tables are ordered and labelled by.
enum DomainBedNames {
    /// In the order of its registry.
    static let algorithms = [
        "ERM", "ERMPlusPlus", "Fish", "IRM", "GroupDRO", "Mixup", "MLDG", "CORAL", "MMD", "DANN", "CDANN", "MTL",
        "SagNet",
        "ARM", "VREx", "RSC", "SD", "ANDMask", "SANDMask", "IGA", "SelfReg", "Fishr", "TRM", "IB_ERM", "IB_IRM", "CAD",
        "CondCAD", "Transfer", "CausIRL_CORAL", "CausIRL_MMD", "EQRM", "RDM", "ADRMX", "URM",
    ]

    /// Data sets in the order of its registry, with their environments' labels.
    static let datasets: [(name: String, environments: [String])] =
        [
            ("Debug28", ["0", "1", "2"]),
            ("Debug224", ["0", "1", "2"]),
            ("ColoredMNIST", ["+90%", "+80%", "-90%"]),
            ("RotatedMNIST", ["0", "15", "30", "45", "60", "75"]),
            ("VLCS", ["C", "L", "S", "V"]),
            ("PACS", ["A", "C", "P", "S"]),
            ("OfficeHome", ["A", "C", "P", "R"]),
            ("TerraIncognita", ["L100", "L38", "L43", "L46"]),
            ("DomainNet", ["clip", "info", "paint", "quick", "real", "sketch"]),
            ("SVIRO", ["aclass", "escape", "hilux", "i3", "lexus", "tesla", "tiguan", "tucson", "x5", "zoe"]),
            ("WILDSCamelyon", ["hospital_0", "hospital_1", "hospital_2", "hospital_3", "hospital_4"]),
            ("WILDSFMoW", ["region_0", "region_1", "region_2", "region_3", "region_4", "region_5"]),
        ]
        + ["O2O_easy", "O2O_medium", "O2O_hard", "M2M_easy", "M2M_medium", "M2M_hard"].map {
            ("Spawrious\($0)", spawrious)
        }

    private static let spawrious = ["Test", "SC_group_1", "SC_group_2"]

    static func environments(of dataset: String) -> [String]? {
        datasets.first { $0.name == dataset }?.environments
    }

    /// The names that occur: those of `order` in its order, then the others as they come.
    static func ordered(_ names: [String], as order: [String]) -> [String] {
        var seen: Set<String> = []
        let unique = names.filter { seen.insert($0).inserted }
        return order.filter(seen.contains) + unique.filter { !order.contains($0) }
    }
}
