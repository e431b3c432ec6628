import Foundation

/// Which runs the list shows, in which order.
package struct RunQuery: Sendable, Equatable {
    /// What runs are ordered by.
    package enum Order: String, CaseIterable, Sendable {
        case name, method, data, unseen = "held", state, step, validation, accuracy, when
    }

    /// Rows of a page.
    static let rows = 100

    /// Words that all must be in what the list says of a run.
    var text = ""
    var order = Order.when
    var isDescending = true
    /// The page, from 1.
    var page = 1

    /// Of fields of a form; what is none of their values is left at its default.
    init(_ fields: FormFields) {
        text = String((fields["q"] ?? "").prefix(200))
        if var name = fields["order"] {
            isDescending = name.hasPrefix("-")
            if isDescending { name.removeFirst() }
            order = Order(rawValue: name) ?? .when
        }
        page = max(1, min(100_000, fields["page"].flatMap { Int($0) } ?? 1))
    }

    /// The address of the list in another order or at another page.
    func address(order: Order? = nil, page: Int = 1) -> String {
        var (name, isDown) = (self.order, isDescending)
        if let order {
            // A column that runs are ordered by already turns round.
            (name, isDown) = (order, order == self.order ? !isDescending : false)
        }
        let isDefault = name == .when && isDown
        return WebAddress.with(
            "/",
            [
                ("q", text), ("order", isDefault ? "" : (isDown ? "-" : "") + name.rawValue),
                ("page", page == 1 ? "" : "\(page)"),
            ])
    }

    /// The runs that fit, ordered.
    func chosen(_ entries: [RunEntry]) -> [RunEntry] {
        let words = text.lowercased().split(whereSeparator: \.isWhitespace)
        let found =
            words.isEmpty
            ? entries
            : entries.filter { entry in
                let said = ([entry.path, entry.method, entry.dataset, entry.state.rawValue] + entry.heldOut)
                    .joined(separator: "\n").lowercased()
                return words.allSatisfy { said.contains($0) }
            }
        func ordered<Value: Comparable>(_ value: (RunEntry) -> Value?) -> [RunEntry] {
            let pairs = found.map { ($0, value($0)) }
            // Those without the value come last, whichever way.
            return pairs.sorted { one, other in
                switch (one.1, other.1) {
                case (let a?, let b?) where a != b: isDescending ? a > b : a < b
                case (nil, _?): false
                case (_?, nil): true
                default: one.0.path < other.0.path
                }
            }.map(\.0)
        }
        return switch order {
        case .name: ordered { $0.path }
        case .method: ordered { $0.method }
        case .data: ordered { $0.dataset }
        case .unseen: ordered { $0.heldOut.joined(separator: ", ") }
        case .state: ordered { $0.state.rawValue }
        case .step: ordered { $0.step }
        case .validation: ordered { $0.sourceValidation }
        case .accuracy: ordered { $0.unseen }
        case .when: ordered { $0.changed }
        }
    }
}
