/// Rows of a table of comma-separated values (RFC 4180): fields that hold commas, quotes or line ends stand in quotes, a quote is doubled.
struct CommaSeparatedRows {
    /// Each with the line it begins in, from 1. Empty lines are left out.
    private(set) var rows: [(line: Int, fields: [[UInt8]])] = []

    /// - Throws: the line of a quote that has no end.
    struct Unended: Error { let line: Int }

    init(_ text: some Collection<UInt8>) throws(Unended) {
        let (quote, comma, feed, carriage) = (UInt8(ascii: "\""), UInt8(ascii: ","), UInt8(ascii: "\n"), UInt8(ascii: "\r"))
        var fields: [[UInt8]] = [], field: [UInt8] = [], line = 1, first = 1, isQuoted = false, wasQuoted = false
        func ended(_ rows: inout [(line: Int, fields: [[UInt8]])]) {
            fields.append(field)
            if fields.count > 1 || !field.isEmpty || wasQuoted { rows.append((first, fields)) }
            (fields, field, wasQuoted) = ([], [], false)
        }
        var index = text.startIndex
        while index < text.endIndex {
            let byte = text[index]
            index = text.index(after: index)
            if byte == feed { line += 1 }
            if isQuoted {
                if byte != quote {
                    field.append(byte)
                } else if index < text.endIndex, text[index] == quote {
                    field.append(quote)
                    index = text.index(after: index)
                } else {
                    isQuoted = false
                }
            } else if byte == quote, field.isEmpty, !wasQuoted {
                (isQuoted, wasQuoted) = (true, true)
            } else if byte == comma {
                fields.append(field)
                (field, wasQuoted) = ([], false)
            } else if byte == feed {
                ended(&rows)
                first = line
            } else if byte != carriage || index < text.endIndex && text[index] != feed {
                field.append(byte)
            }
        }
        if isQuoted { throw Unended(line: first) }
        if !field.isEmpty || !fields.isEmpty { ended(&rows) }
    }
}
