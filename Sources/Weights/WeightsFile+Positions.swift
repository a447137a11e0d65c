import CurricleEngine
import CurricleModels
import CurricleSettings

// Positions that a file brings: learned ones, or the fixed ones of another grid.
extension WeightsFile {
    /// Positions of the patch tokens [L, D] that the file brings, brought to the model's grid; nil where it has none.
    /// The class token's row must be zero: a ``Checkpoint`` has added it to the class token.
    package static func encoderPosition(_ file: Checkpoint, _ c: ModelConfiguration) throws -> [Float]? {
        guard let grid = try positionGrid(file, c) else {
            // Our own files may leave out what is fixed; in another's nothing says that sin-cos ones are meant.
            if ownConfiguration(file) != nil { return nil }
            throw LearningError.file(
                path: file.path, reason: "has no positions (pos_embed): what its tokens have instead is not known here")
        }
        let values = try file.floats("pos_embed")
        guard values.prefix(c.embedWidth).allSatisfy({ $0 == 0 }) else {
            throw LearningError.file(path: file.path, reason: "has a position for the class token: import it first")
        }
        let positions = Array(values.dropFirst(c.embedWidth))
        if grid == (c.gridRows, c.gridColumns) { return positions }
        return resampledPositions(positions, width: c.embedWidth, from: grid, to: (c.gridRows, c.gridColumns), file.facts.resampling)
    }

    /// The grid that the file's positions are of: what it says; else a square one of as many places, unless they are the fixed ones of the
    /// model's; else the model's.
    static func positionGrid(_ file: Checkpoint, _ c: ModelConfiguration) throws -> (rows: Int, columns: Int)? {
        guard let shape = file.shape(of: "pos_embed") else { return nil }
        guard shape.count == 3, shape[0] == 1, shape[1] > 1, shape[2] == c.embedWidth else {
            throw LearningError.file(
                path: file.path, reason: "tensor pos_embed has shape \(shape), but the model needs \([1, 1 + c.patches, c.embedWidth])")
        }
        let places = shape[1] - 1, known = ownConfiguration(file)
        let said = (known?.imageHeight ?? file.facts.imageHeight ?? 0, known?.imageWidth ?? file.facts.imageWidth ?? 0)
        var grids = [(rows: said.0 / c.patchSize, columns: said.1 / c.patchSize), (rows: c.gridRows, columns: c.gridColumns)]
        if let side = squareRoot(places), side != c.gridRows {
            let isOfModel = try c.patches == places && isFixed(file.floats("pos_embed"), (c.gridRows, c.gridColumns), width: c.embedWidth)
            grids.insert((side, side), at: isOfModel ? 2 : 1)
        }
        guard
            let grid = grids.first(where: {
                $0.rows > 0 && $0.columns > 0 && $0.rows.multipliedReportingOverflow(by: $0.columns) == (places, false)
            })
        else {
            throw LearningError.file(
                path: file.path,
                reason: "tensor pos_embed has shape \(shape): \(places) patches make no square; give the \(.imageSize) that they are of")
        }
        return grid
    }

    /// What to say of positions whose grid nothing shows: that they are taken as a square's, where the model's is another one of as many
    /// places.
    static func assumedGrid(_ file: Checkpoint, _ c: ModelConfiguration) throws -> Message? {
        guard let shape = file.shape(of: "pos_embed"), shape.count == 3, shape[1] - 1 == c.patches, c.gridRows != c.gridColumns,
            let grid = try positionGrid(file, c), grid != (c.gridRows, c.gridColumns)
        else { return nil }
        return
            "\(file.path): its positions are taken as those of \(grid.rows)×\(grid.columns) patches, and brought to "
            + "\(c.gridRows)×\(c.gridColumns)"
    }

    /// Refuses a file whose patch tokens have positions of their own: training keeps the fixed sin-cos ones.
    package static func requireFixedPositions(_ file: Checkpoint, _ c: ModelConfiguration) throws {
        guard let grid = try positionGrid(file, c) else { return }
        guard isFixed(try file.floats("pos_embed"), grid, width: c.embedWidth) else {
            throw LearningError.file(
                path: file.path,
                reason: "has learned positions, but pretraining keeps the fixed sin-cos ones: it cannot begin with these weights")
        }
    }

    /// Whether positions [1 + L, width] are the fixed sin-cos ones of their grid.
    static func isFixed(_ positions: [Float], _ grid: (rows: Int, columns: Int), width: Int) -> Bool {
        let fixed = positionEmbedding(rows: grid.rows, columns: grid.columns, width: width)
        return positions.count == fixed.count && zip(positions, fixed).allSatisfy { abs($0 - $1) < 1e-4 }
    }
}
