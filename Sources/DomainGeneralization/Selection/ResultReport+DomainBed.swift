import Foundation

extension ResultReport {
    /// What DomainBed's `collect_results` prints of the same records, character for character.
    public func domainBedText() -> String {
        var lines = ["Total records: \(recordCount)"]
        for section in sections {
            for table in section.tables + [section.averages] {
                let kind = table.dataset.map { "Dataset: \($0)" } ?? "Averages"
                lines += ["", "-------- \(kind), model selection method: \(section.selection.domainBedName)"]
                lines += table.domainBedRows(heads: ["Algorithm"] + table.columns + ["Avg"], plusMinus: "+/-").map {
                    row in
                    table.line(row, separator: "  ") + " "
                }
            }
        }
        return lines.joined(separator: "\n") + "\n"
    }

    /// What DomainBed's `collect_results --latex` prints of the same records, character for character.
    public func domainBedLaTeX() -> String {
        var lines = [
            #"\documentclass{article}"#, #"\usepackage{booktabs}"#, #"\usepackage{adjustbox}"#, #"\begin{document}"#,
            #"\section{Full DomainBed results}"#, "% Total records: \(recordCount)",
        ]
        for section in sections {
            lines += ["", #"\subsection{Model selection: \#(section.selection.domainBedName)}"#]
            for table in section.tables + [section.averages] {
                lines += ["", #"\subsubsection{\#(table.dataset ?? "Averages")}"#, ""]
                lines += [
                    #"\begin{center}"#, #"\adjustbox{max width=\textwidth}{%"#,
                    #"\begin{tabular}{l\#(String(repeating: "c", count: table.columns.count + 1))}"#, #"\toprule"#,
                ]
                let heads = (["Algorithm"] + table.columns + ["Avg"]).map {
                    #"\textbf{\#($0.replacingOccurrences(of: "%", with: #"\%"#))}"#
                }
                for (index, row) in table.domainBedRows(heads: heads, plusMinus: #"$\pm$"#).enumerated() {
                    lines.append(table.line(row, separator: " & ") + #" \\"#)
                    if index == 0 { lines.append(#"\midrule"#) }
                }
                lines += [#"\bottomrule"#, #"\end{tabular}}"#, #"\end{center}"#]
            }
        }
        return lines.joined(separator: "\n") + "\n" + #"\end{document}"# + "\n"
    }
}

extension ResultTable {
    fileprivate func domainBedRows(heads: [String], plusMinus: String) -> [[String]] {
        [heads]
            + rows.map { row in
                let cells = row.cells.map { cell in
                    cell.map { "\(oneDigit($0.mean)) \(plusMinus) \(oneDigit($0.error))" } ?? "X"
                }
                return [row.algorithm] + cells + [row.average.map(oneDigit) ?? "X"]
            }
    }

    /// A row with each cell filled up, or cut, to the column's width.
    fileprivate func line(_ cells: [String], separator: String) -> String {
        let width = dataset == nil ? 25 : 20
        return cells.map { cell in
            let text = cell.unicodeScalars.prefix(width)
            return String(text) + String(repeating: " ", count: width - text.count)
        }.joined(separator: separator)
    }
}

/// Python's "{:.1f}".
func oneDigit(_ value: Double) -> String { String(format: "%.1f", value) }
