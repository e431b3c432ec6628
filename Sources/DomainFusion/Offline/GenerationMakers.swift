import Foundations

/// What makes the images of a plan: one diffusion model for all, or one for each domain that images are led to.
public struct GenerationMakers<Order: ImageOrder> {
    /// The domains that have a maker each; none where one is for all.
    private let domains: [String]
    private let find: (String) throws -> ImageMaker<Order>
    /// Names the models and all settings of theirs that images depend on.
    let fingerprint: JSONValue
    /// Images that one of them works on together.
    let batchSize: Int
    /// What the models were taught before.
    let prior: PriorWork

    /// One maker for all images.
    /// - Parameter prior: what its model was taught before.
    public init(_ maker: ImageMaker<Order>, prior: PriorWork = PriorWork()) {
        self.prior = prior
        domains = []
        find = { _ in maker }
        fingerprint = .string(maker.generator.fingerprint)
        batchSize = maker.batchSize
    }

    /// A maker for each domain. Each is asked for once here, so that one that is missing is told of before the work.
    /// - Parameters:
    ///   - prior: what the models were taught before; asked for when all were found.
    ///   - find: the maker of a domain; it may be slow.
    /// - Throws: what `find` throws.
    public init(
        domains: [String], prior: @autoclosure () -> PriorWork, find: @escaping (String) throws -> ImageMaker<Order>
    ) throws {
        self.domains = domains
        self.find = find
        var (fingerprints, largest): ([String: JSONValue], Int) = ([:], 1)
        for domain in domains {
            let maker = try find(domain)
            fingerprints[domain] = .string(maker.generator.fingerprint)
            largest = max(largest, maker.batchSize)
        }
        fingerprint = .object(fingerprints)
        batchSize = largest
        self.prior = prior()
    }

    /// Images in groups of one maker each, by their numbers among the records.
    func groups(_ records: [GeneratedImage]) -> [(domain: String?, numbers: [Int])] {
        guard !domains.isEmpty else { return [(nil, Array(records.indices))] }
        return Dictionary(grouping: records.indices) { records[$0].target }.sorted { $0.key < $1.key }
            .map { ($0.key, $0.value) }
    }

    /// The maker of a group, or of any.
    func maker(of domain: String? = nil) throws -> ImageMaker<Order> { try find(domain ?? domains.first ?? "") }
}
