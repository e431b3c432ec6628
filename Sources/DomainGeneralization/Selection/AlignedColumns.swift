import Foundations

/// Lines of a table: columns as wide as their contents; the first to the left, numbers to the right.
/// - Parameter rows: the cells, as many in every row; as plain text, since names from files are among them.
public func alignedColumns(_ rows: [[String]]) -> [String] {
    let rows = rows.map { $0.map { plainText($0) } }
    let columns = rows.first?.indices ?? 0..<0
    let widths = columns.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
        row.indices.map { column in
            let padding = String(repeating: " ", count: widths[column] - row[column].count)
            return column == 0 ? row[column] + padding : padding + row[column]
        }.joined(separator: "   ")
    }
}
