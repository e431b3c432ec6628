import Foundation
import Foundations

extension ResultReport {
    /// The tables in words, with a legend.
    public func text() -> String {
        var lines = [
            "Accuracy on the unseen domain, in percent: mean ± standard error over trials. X: runs are missing.",
            "\(recordCount) records.",
        ]
        for section in sections where section.tables.contains(where: { !$0.isEmpty }) {
            lines += ["", "Model chosen by \(section.selection.phrase)"]
            for table in section.tables where !table.isEmpty { lines += [""] + table.plainLines() }
            if section.tables.count > 1 { lines += [""] + section.averages.plainLines() }
        }
        let missing = sections.filter { $0.tables.allSatisfy(\.isEmpty) }.map(\.selection.phrase)
        lines += [""] + missing.map { "No table for \($0): its runs are missing." } + Self.legend
        return lines.joined(separator: "\n") + "\n"
    }

    private static let legend = [
        "A column is the unseen domain: held out of training, its accuracy is on the 80 % of its images that DomainBed",
        "calls env{i}_in. Validation is on the 20 % of a domain that DomainBed calls env{i}_out; i counts the domains in",
        "sorted order. Leave-one-domain-out validation needs runs that hold out two domains; the oracle looks at the",
        "unseen domain's own validation images, and is no fair figure.",
    ]

    /// The tables as LaTeX (booktabs), one a data set and way of choosing the model, for `\\input`.
    public func latex() -> String {
        var lines: [String] = []
        for section in sections {
            for table in section.tables where !table.isEmpty {
                lines += [
                    "% \(table.dataset ?? ""), model chosen by \(section.selection.phrase)",
                    #"\begin{tabular}{l\#(String(repeating: "c", count: table.columns.count + 1))}"#, #"\toprule"#,
                ]
                for (index, row) in table.cells(plusMinus: #"$\pm$"#).enumerated() {
                    lines.append(row.map(Self.escaped).joined(separator: " & ") + #" \\"#)
                    if index == 0 { lines.append(#"\midrule"#) }
                }
                lines += [#"\bottomrule"#, #"\end{tabular}"#]
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func escaped(_ text: String) -> String {
        text.replacingOccurrences(of: "_", with: #"\_"#).replacingOccurrences(of: "%", with: #"\%"#)
    }

    /// The tables as comma-separated values: one line a cell.
    public func csv() -> String {
        var lines = ["selection,dataset,algorithm,unseen_domain,accuracy_percent,standard_error_percent,trials"]
        for section in sections {
            for table in section.tables {
                for row in table.rows {
                    for (column, cell) in zip(table.columns, row.cells) {
                        let numbers = cell.map { ["\($0.mean)", "\($0.error)", "\($0.trials)"] } ?? ["", "", "0"]
                        let fields = [section.selection.rawValue, table.dataset ?? "", row.algorithm, column] + numbers
                        lines.append(fields.map(Self.quoted).joined(separator: ","))
                    }
                }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    private static func quoted(_ field: String) -> String {
        guard field.contains(where: { ",\"\n".contains($0) }) else { return field }
        return "\"\(field.replacingOccurrences(of: "\"", with: "\"\""))\""
    }

    /// The tables as JSON: `{"records", "selections": [{"selection", "tables": [{"dataset", "rows": […]}]}]}`.
    public func json() -> JSONValue {
        func table(_ table: ResultTable) -> JSONValue {
            let rows = table.rows.map { row in
                let cells = zip(table.columns, row.cells).map { column, cell in
                    let value = cell.map {
                        JSONValue.object([
                            "accuracy": .double($0.mean), "standardError": .double($0.error), "trials": .int($0.trials),
                        ])
                    }
                    return (column, value ?? .null)
                }
                return JSONValue.object([
                    "algorithm": .string(row.algorithm), "average": row.average.map(JSONValue.double) ?? .null,
                    "unseenDomains": .object(Dictionary(cells) { $1 }),
                ])
            }
            return .object(["dataset": table.dataset.map(JSONValue.string) ?? .null, "rows": .array(rows)])
        }
        let selections = sections.map { section in
            JSONValue.object([
                "selection": .string(section.selection.rawValue), "tables": .array(section.tables.map(table)),
            ])
        }
        return .object(["records": .int(recordCount), "selections": .array(selections)])
    }
}

extension ModelSelection {
    /// What the model is chosen by, as the end of a sentence: "validation on the training domains".
    public var phrase: String {
        switch self {
        case .trainingDomain: "validation on the training domains"
        case .leaveOneDomainOut: "leave-one-domain-out validation"
        case .oracle: "validation on the unseen domain (oracle, last checkpoint)"
        }
    }
}

extension ResultTable {
    fileprivate var isEmpty: Bool { rows.allSatisfy { $0.cells.allSatisfy { $0 == nil } } }

    /// The heads and the rows as text.
    fileprivate func cells(plusMinus: String) -> [[String]] {
        [[dataset ?? "Mean of the domains"] + columns + ["average"]]
            + rows.map { row in
                let cells = row.cells.map { cell in
                    cell.map { "\(oneDigit($0.mean)) \(plusMinus) \(oneDigit($0.error))" } ?? "X"
                }
                return [row.algorithm] + cells + [row.average.map(oneDigit) ?? "X"]
            }
    }

    fileprivate func plainLines() -> [String] { alignedColumns(cells(plusMinus: "±")) }
}
