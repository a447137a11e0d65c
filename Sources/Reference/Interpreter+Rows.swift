import CurricleGraph

extension Interpreter {
    /// For each row of the few, its row among the many: 0 for a leading one, then offset + order[first + j] or offset + first + j.
    private func rows(_ selection: RowSelection, image: Int, order: Tensor?) -> [Int] {
        (selection.lead ? [0] : [])
            + (selection.first..<selection.first + selection.count).map { at in
                selection.offset + (order.map { Int($0[image, at]) } ?? at)
            }
    }

    func selectRows(_ selection: RowSelection, _ x: [Tensor]) -> [Double] {
        let many = x[0].shape[1], order = selection.indexed ? x[1] : nil
        var y: [Double] = []
        for image in 0..<x[0].shape[0] {
            for row in rows(selection, image: image, order: order) { y += (0..<x[0].width).map { x[0][image * many + row, $0] } }
        }
        return y
    }

    func keepRows(_ x: Tensor, scores: Tensor, count: Int) -> [Double] {
        let many = x.shape[1]
        return (0..<x.shape[0]).flatMap { image -> [Double] in
            let best = (0..<many).sorted { a, b in
                let (left, right) = (scores[image, a], scores[image, b])
                return left != right ? left > right : a < b
            }
            return best.prefix(count).sorted().flatMap { row in (0..<x.width).map { x[image * many + row, $0] } }
        }
    }

    func rowVariance(_ x: Tensor) -> [Double] {
        (0..<x.rows).map { row in
            let values = (0..<x.width).map { x[row, $0] }, mean = values.reduce(0, +) / Double(x.width)
            return values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(x.width)
        }
    }

    func placeRows(_ selection: RowSelection, _ x: [Tensor], rows many: Int) -> [Double] {
        let images = x[0].shape[0], width = x[0].width, order = selection.indexed ? x[1] : nil
        var y = [Double](repeating: 0, count: images * many * width)
        for image in 0..<images {
            for (j, row) in rows(selection, image: image, order: order).enumerated() {
                for d in 0..<width { y[(image * many + row) * width + d] = x[0][image * selection.total + j, d] }
            }
        }
        return y
    }

    func prependRow(_ x: Tensor, token: Tensor) -> [Double] {
        let size = x.shape[1] * x.width
        return (0..<x.shape[0]).flatMap { token.values + x.values[$0 * size..<($0 + 1) * size] }
    }

    /// The class row, every kept row at its patch, the mask token elsewhere; plus positions.
    func restoreTokens(kept: Tensor, token: Tensor, order: Tensor, position: Tensor) -> [Double] {
        let images = kept.shape[0], held = kept.shape[1], patches = order.width, width = kept.width
        var y = [Double](repeating: 0, count: images * (patches + 1) * width)
        for image in 0..<images {
            for j in 0...patches {  // 0: the class token; then patches in their order
                let row = j == 0 ? 0 : 1 + Int(order[image, j - 1])
                for d in 0..<width {
                    let x = j < held ? kept[image * held + j, d] : token[d]
                    y[(image * (patches + 1) + row) * width + d] = x + position[row, d]
                }
            }
        }
        return y
    }

    func columnSum(_ x: Tensor, rows: Int) -> [Double] {
        let width = rows * x.width
        return (0..<width).map { i in stride(from: i, to: x.values.count, by: width).reduce(0.0) { $0 + x[$1] } }
    }

    func meanRows(_ x: Tensor, first: Int, count: Int) -> [Double] {
        (0..<x.shape[0] * x.width).map { i in
            let image = i / x.width
            return (first..<first + count).reduce(0.0) { $0 + x[image * x.shape[1] + $1, i % x.width] } / Double(count)
        }
    }

    func meanRowsGradient(_ dy: Tensor, first: Int, count: Int, rows: Int) -> [Double] {
        (0..<dy.shape[0] * rows * dy.width).map { i in
            let row = i / dy.width % rows
            return (first..<first + count).contains(row) ? dy[i / dy.width / rows, i % dy.width] / Double(count) : 0
        }
    }

    func rowDot(_ a: Tensor, _ b: Tensor) -> [Double] {
        (0..<a.rows).map { row in (0..<a.width).reduce(0.0) { $0 + a[row, $1] * b[row, $1] } }
    }

    /// Patches of each row by descending score; equal scores keep their place.
    func orderDescending(_ scores: Tensor) -> [Double] {
        (0..<scores.rows).flatMap { row in
            (0..<scores.width).sorted { a, b in
                scores[row, a] != scores[row, b] ? scores[row, a] > scores[row, b] : a < b
            }.map(Double.init)
        }
    }

    /// Patches by descending score, but for the last ⌊share·removed + ½⌋ by descending noise.
    func orderHardest(_ scores: Tensor, noise: Tensor, share: Double, removed: Int) -> [Double] {
        let patches = scores.width, hard = min(removed, max(0, Int((share * Double(removed) + 0.5).rounded(.down))))
        let byScore = orderDescending(scores).map { Int($0) }
        return (0..<scores.rows).flatMap { row in
            let order = byScore[(row * patches)..<((row + 1) * patches)]
            let drawn = order.prefix(patches - hard).enumerated().sorted { a, b in
                let (left, right) = (noise[row, a.element], noise[row, b.element])
                return left != right ? left > right : a.offset < b.offset
            }
            return drawn.map { Double($0.element) } + order.suffix(hard).map(Double.init)
        }
    }

    /// Patches [N, L, P] of pixels [N, H, W, C], each (row, column, channel), value·scale + shift by channel.
    func patchify(_ pixels: Tensor, scaleShift: Tensor, patch: Int) -> [Double] {
        let s = pixels.shape, height = s[1], width = s[2], channels = s[3]
        var y: [Double] = []
        for image in 0..<s[0] {
            for top in stride(from: 0, to: height, by: patch) {
                for left in stride(from: 0, to: width, by: patch) {
                    for row in top..<top + patch {
                        for column in left..<left + patch {
                            for c in 0..<channels {
                                y.append(
                                    pixels[((image * height + row) * width + column) * channels + c] * scaleShift[0, c] + scaleShift[1, c])
                            }
                        }
                    }
                }
            }
        }
        return y
    }
}
