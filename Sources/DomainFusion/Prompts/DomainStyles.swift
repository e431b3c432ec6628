import Diffusion
import DomainGeneralization
import Foundations

/// The words for the styles of a run's source domains, for prompts with `{style}` or `{a style}` in them. Those of the
/// held-out domains are never used: prompts must not tell of them.
public struct DomainStyles: Sendable {
    /// The source domains, in their order.
    public let domains: [String]
    private let words: [String: String]

    /// The words for the styles of a run's source domains.
    /// - Parameter words: by domain, of all domains or more than the sources.
    public init(_ words: [String: String], context: AlgorithmContext) {
        self.init(
            words,
            domains: context.sourceEnvironments.filter { !context.testEnvironments.contains($0) }
                .map { context.dataset.environments[$0] })
    }

    /// - Parameter domains: the source domains.
    package init(_ words: [String: String], domains: [String]) {
        self.words = words
        self.domains = domains
    }

    /// A template in the style of a domain; one that names no style as it is.
    /// - Throws: `UserError` for a domain without a style, or one that is held out.
    func prompt(_ template: String, domain: String) throws -> String {
        guard Caption.namesStyle(template) else { return template }
        guard domains.contains(domain) else {
            throw UserError(
                "\"\(template)\" would name the style of the held-out domain '\(domain)', which this run trains on; "
                    + "write a prompt without {style}")
        }
        guard let style = words[domain] else {
            throw UserError("styles: no style for the source domain '\(domain)'; add it")
        }
        return Caption.prompt(template, style: style)
    }

    /// Each template that names a style once for each source domain; the others as they are.
    /// - Throws: `UserError` for a source domain without a style.
    package func prompts(_ templates: [String]) throws -> [String] {
        try templates.flatMap { template in
            Caption.namesStyle(template) ? try domains.map { try prompt(template, domain: $0) } : [template]
        }
    }
}

/// The prompts for the images of a run: a template with the class, and the style of the image's own domain.
struct ImagePrompts {
    /// By environment that is trained on, then by label.
    private let prompts: [Int: [String]]

    /// - Throws: `UserError` for a domain without a style, where the template asks for one.
    init(_ template: String, styles: DomainStyles, context: AlgorithmContext) throws {
        var prompts: [Int: [String]] = [:]
        for environment in context.trainingEnvironments {
            let names = context.dataset.environments
            if environment >= names.count, Caption.namesStyle(template) {
                throw UserError(
                    "\"\(template)\": images between two domains have no style of their own; write a prompt without {style}, or join "
                        + "them to the domains (generated.environments joined)")
            }
            let styled = environment < names.count ? try styles.prompt(template, domain: names[environment]) : template
            prompts[environment] = context.classes.map { Caption.prompt(styled, class: $0) }
        }
        self.prompts = prompts
    }

    /// The prompts of all classes for an image of an environment that is trained on.
    func callAsFunction(_ environment: Int) -> [String] { prompts[environment] ?? [] }
}
