import Experiments
import Foundation
import Foundations

/// The page of all runs: filter, order, pages and comparison by forms and links alone.
struct RunListPage {
    private let root: String
    private let query: RunQuery
    private let all: Int
    private let chosen: [RunEntry]

    init(root: String, entries: [RunEntry], query: RunQuery) {
        (self.root, self.query, all) = (root, query, entries.count)
        chosen = query.chosen(entries)
    }

    private var pages: Int { max(1, (chosen.count + RunQuery.rows - 1) / RunQuery.rows) }
    private var page: Int { min(query.page, pages) }

    var html: String {
        let shown = chosen.dropFirst((page - 1) * RunQuery.rows).prefix(RunQuery.rows)
        return StudioPage.html(
            "Runs", isHome: true,
            [
                .tag(
                    "main", [],
                    [
                        .tag("h1", [], "Runs in \(plainText(root))"), filter,
                        .tag("p", [("class", "soft")], count(shown.count)),
                        shown.isEmpty ? .group([]) : table(Array(shown)),
                        pages > 1 ? links : .group([]),
                    ])
            ])
    }

    private func count(_ shown: Int) -> String {
        if all == 0 { return "There is no run yet: 'domainfusion train' makes one." }
        if chosen.isEmpty { return "None of \(all) runs has all of these words." }
        let found = chosen.count == all ? "\(all) \(all == 1 ? "run" : "runs")" : "\(chosen.count) of \(all) runs"
        guard pages > 1 else { return found + "." }
        let first = (page - 1) * RunQuery.rows
        return "\(found), \(first + 1) to \(first + shown) on this page."
    }

    private var filter: Markup {
        let kept =
            query.order == .when && query.isDescending ? "" : (query.isDescending ? "-" : "") + query.order.rawValue
        return .tag(
            "form", [("class", "line"), ("method", "get"), ("action", "/"), ("role", "search")],
            [
                .tag("label", [("for", "q")], "Filter"),
                .tag(
                    "input",
                    [
                        ("id", "q"), ("name", "q"), ("value", query.text),
                        ("placeholder", "name, method, domain, state"),
                        ("maxlength", "200"),
                    ], []),
                kept.isEmpty
                    ? .group([]) : .tag("input", [("type", "hidden"), ("name", "order"), ("value", kept)], []),
                .tag("button", [], "Filter"),
                query.text.isEmpty ? .group([]) : .tag("a", [("href", "/")], "All"),
            ])
    }

    private static let columns: [(order: RunQuery.Order, title: String, isNumber: Bool)] = [
        (.name, "run", false), (.method, "method", false), (.data, "data set", false), (.unseen, "held out", false),
        (.state, "state", false), (.step, "step", true), (.validation, "source validation", true),
        (.accuracy, "unseen domain", true), (.when, "last news", true),
    ]

    private func table(_ runs: [RunEntry]) -> Markup {
        let heads = Self.columns.map { column -> Markup in
            let isOrder = column.order == query.order
            let arrow = isOrder ? (query.isDescending ? " ↓" : " ↑") : ""
            return .tag(
                "th",
                [("scope", "col"), ("class", column.isNumber ? "number" : "")]
                    + (isOrder ? [("aria-sort", query.isDescending ? "descending" : "ascending")] : []),
                [.tag("a", [("href", query.address(order: column.order))], column.title + arrow)])
        }
        let tick = Markup.tag("th", [("scope", "col")], "tick")
        return .tag(
            "form", [("method", "get"), ("action", "/compare")],
            [
                .wide(
                    "Runs",
                    .tag(
                        "table", [("class", "runs")],
                        [
                            .tag("thead", [], [.tag("tr", [], [tick] + heads)]),
                            .tag("tbody", [], runs.map { .tag("tr", [], row($0)) }),
                        ])), .tag("button", [], "Compare those ticked"),
            ])
    }

    private func row(_ run: RunEntry) -> [Markup] {
        let name = plainText(run.path)
        let box: [(String, String)] = [
            ("type", "checkbox"), ("name", "run"), ("value", run.path), ("aria-label", "compare \(name)"),
        ]
        let cells: [Markup] = [
            .text(plainText(run.method)), .text(plainText(run.dataset)),
            .text(plainText(run.heldOut.joined(separator: ", "))), StudioText.state(run.state),
            .text("\(run.step) of \(run.steps)"), .text(StudioText.percent(run.sourceValidation)),
            .text(StudioText.percent(run.unseen)), StudioText.time(run.changed),
        ]
        return [
            .tag("td", [], run.state == .done ? [.tag("input", box, [])] : []),
            .tag("th", [("scope", "row")], [.tag("a", [("href", WebAddress.run(run.path))], name)]),
        ]
            + zip(Self.columns.dropFirst(), cells).map { column, cell in
                .tag(
                    "td", [("data-label", column.title), ("class", column.isNumber ? "number" : "")], [cell])
            }
    }

    private var links: Markup {
        func link(_ page: Int, _ title: String) -> Markup {
            (1...pages).contains(page)
                ? .tag("li", [], [.tag("a", [("href", query.address(page: page))], title)]) : .group([])
        }
        return .tag(
            "nav", [("aria-label", "Pages")],
            [
                .tag(
                    "ul", [],
                    [
                        link(page - 1, "Previous page"), .tag("li", [], "page \(page) of \(pages)"),
                        link(page + 1, "Next page"),
                    ])
            ])
    }
}
