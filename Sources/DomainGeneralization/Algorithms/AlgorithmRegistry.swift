import Foundations

/// The algorithms that a program knows. A higher layer adds its own: `AlgorithmRegistry.standard + [.domainFusion]`.
public struct AlgorithmRegistry: Sendable {
    /// The algorithms, in the order in which `domainfusion info` lists them.
    public let algorithms: [AlgorithmDescription]

    /// A registry of these algorithms; no two may have the same name.
    public init(_ algorithms: [AlgorithmDescription]) {
        self.algorithms = algorithms
    }

    /// The algorithms without a diffusion model.
    public static let standard = AlgorithmRegistry([
        ERM.description,
        ERMPlusPlus.description,
        Fish.description,
        IRM.description,
        GroupDRO.description,
        Mixup.description,
        MLDG.description,
        CORAL.description,
        MMD.description,
        DANN.description,
        CDANN.description,
        MTL.description,
        SagNet.description,
        ARM.description,
        VREx.description,
        RSC.description,
        SD.description,
        ANDMask.description,
        SANDMask.description,
        IGA.description,
        SelfReg.description,
        Fishr.description,
        TRM.description,
        IB_ERM.description,
        IB_IRM.description,
        CAD.description,
        CondCAD.description,
        Transfer.description,
        CausIRL_CORAL.description,
        CausIRL_MMD.description,
        EQRM.description,
        RDM.description,
        ADRMX.description,
        URM.description,
        MixStyle.description,
        EFDMix.description,
        FourierMix.description,
        FACT.description,
        MODEF.description,
        MIRO.description,
    ])

    /// This registry with more algorithms behind its own.
    public static func + (registry: AlgorithmRegistry, more: [AlgorithmDescription]) -> AlgorithmRegistry {
        AlgorithmRegistry(registry.algorithms + more)
    }

    /// The algorithm of a name; case, `-` and `_` do not matter.
    /// - Throws: `UserError` with near misses.
    public func algorithm(named name: String) throws -> AlgorithmDescription {
        guard let found = algorithms.first(where: { $0.name.lowercased() == name.lowercased() }) else {
            throw UserError("no algorithm '\(name)'" + suggestion(for: name, among: algorithms.map(\.name)))
        }
        return found
    }
}
