#!/usr/bin/env python3
"""A second reader of program files, by the words of docs/PROGRAM_FORMAT.md alone, in NumPy and double precision.

usage: read_program.py ENCODER.curricle PICTURES.npy FEATURES.npy

PICTURES are uint8 [N, H, W, C] of the program's size, FEATURES what the library made of them; prints the largest difference,
relative to the largest feature, and fails where it is above 1e-5, or with int8 and bf16, where a number near the middle of two may
become either, above 2e-2. (Slow, and it trusts the file: it is here to hold the
description and the library to one another.)
"""

import math
import struct
import sys

import numpy as np

HEADER = struct.Struct("<8sIIQ10I10QII24sQQII56x")
INSTRUCTION = struct.Struct("<II9Q9i5f")
NONE = 2**64 - 1
ERF = np.vectorize(math.erf)


X_BF16, WEIGHT_BF16, Y_BF16 = 8, 16, 32


def rounded(x):
    """To the nearest number of bf16; below 2^-56 zero."""
    bits = np.ascontiguousarray(x, np.float32).view(np.uint32).astype(np.uint64)
    near = (bits + 0x7FFF + (bits >> 16 & 1) >> 16 << 16).astype(np.uint32).view(np.float32).astype(float)
    return np.where(np.abs(x) < 2.0**-56, 0, near)


def gelu(x):
    return x * 0.5 * (1 + ERF(x / math.sqrt(2)))


class Program:
    def __init__(self, path):
        self.file = open(path, "rb").read()
        (magic, version, self.checksum, size, header, self.pool, self.images, self.height, self.width, self.channels, self.rows, self.row_width, count, step,
         *sections, arena, _, self.precision, self.arithmetic, self.writer, labels, label_bytes, self.tested, self.test_checksum) = HEADER.unpack_from(self.file)  # fmt: skip
        assert magic == b"CURRICLE" and version in (1, 2) and size == len(self.file) and header == HEADER.size and step == INSTRUCTION.size
        instructions, scalars, constants, parameters = zip(sections[::2], sections[1::2])
        self.instructions = [INSTRUCTION.unpack_from(self.file, instructions[0] + i * step) for i in range(count)]
        with np.errstate(invalid="ignore"):  # int8's bytes are no floats
            data = [np.frombuffer(self.file, "<f4", bytes // 4, offset).astype(float) for offset, bytes in (scalars, constants, parameters)]
        self.labels = self.file[labels : labels + label_bytes].split(b"\0")[:-1]
        self.parameters, self.quantized = self.file[parameters[0] : sum(parameters)], {}
        self.halves = np.full(arena // 2, np.nan)  # the arena as numbers of bf16
        outputs = self.images * self.rows * self.row_width
        self.segments = {
            0: np.full(arena // 4, np.nan),
            1: data[2],
            5: data[1],
            11: data[0],
            12: np.full(outputs, np.nan),
        }

    def run(self, pixels):
        """uint8 [images, H, W, C] to [images, rows, row_width]"""
        for opcode, flags, *fields in self.instructions:
            self.step(opcode, flags, fields[:9], fields[9:18], fields[18:], pixels)
        return self.segments[12].reshape(self.images, self.rows, self.row_width).copy()

    def view(self, operand, *shape):
        segment, start = self.segments[operand >> 56], (operand & 2**56 - 1) // 4
        return segment[start : start + math.prod(shape)].reshape(shape)

    def numbers(self, operand, is_bf16, *shape):
        """A value of the arena, of bf16 or float32."""
        if not is_bf16:
            return self.view(operand, *shape)
        start = (operand & 2**56 - 1) // 2
        return self.halves[start : start + math.prod(shape)].reshape(shape)

    def bf16_weight(self, operand, out, depth, section):
        pairs, panels = -(-depth // 2), -(-section // 16)
        raw = np.frombuffer(self.parameters, "<u2", out // section * panels * pairs * 32, operand & 2**56 - 1)
        values = (raw.astype(np.uint32) << 16).view(np.float32).astype(float).reshape(out // section, panels, pairs, 16, 2)
        return values.transpose(0, 1, 3, 2, 4).reshape(out // section, -1, pairs * 2)[:, :section, :depth].reshape(out, depth)

    def weight(self, operand, out, depth, section):
        panels = self.view(operand, out // section, -(-section // 16), depth, 16)
        return panels.transpose(0, 1, 3, 2).reshape(out // section, -1, depth)[:, :section].reshape(out, depth)

    def int8_weight(self, operand, out, depth, section):
        """Bytes [out, depth], and the rows' scales and sums."""
        fours, panels = -(-depth // 4), -(-section // 16)
        step, start = fours * 64 + 128, operand & 2**56 - 1
        raw = np.frombuffer(self.parameters, np.uint8, out // section * panels * step, start).reshape(-1, step)
        of_rows = lambda values: values.reshape(out // section, panels * 16, -1)[:, :section].reshape(out, -1)
        levels = raw[:, : fours * 64].view(np.int8).reshape(-1, fours, 16, 4).transpose(0, 2, 1, 3).reshape(-1, 16, fours * 4)
        scales = np.ascontiguousarray(raw[:, fours * 64 : fours * 64 + 64]).view("<f4")
        sums = np.ascontiguousarray(raw[:, fours * 64 + 64 :]).view("<i4")
        weight = of_rows(levels)[:, :depth].astype(np.int64)
        return weight, of_rows(scales)[:, 0].astype(float), of_rows(sums)[:, 0].astype(np.int64)

    def step(self, opcode, flags, o, s, r, pixels):
        if opcode == 31:  # patchify
            n, rows, columns, patch, c = s[:5]
            scale, shift = self.view(o[2], 2, c)
            values = pixels.reshape(n, rows, patch, columns, patch, c) * scale + shift
            self.view(o[0], n, rows, columns, patch, patch, c)[:] = values.transpose(0, 1, 3, 2, 4, 5)
        elif opcode == 44:  # softmax
            rows, width = s[:2]
            powers = np.exp(self.view(o[1], rows, width) - self.view(o[1], rows, width).max(1, keepdims=True))
            self.view(o[0], rows, width)[:] = powers / powers.sum(1, keepdims=True)
        elif opcode == 45:  # row_variance
            rows, width = s[:2]
            self.view(o[0], rows)[:] = self.view(o[1], rows, width).var(1)
        elif opcode == 46:  # keep_rows
            n, rows, width, many = s[:4]
            best = np.sort(np.argsort(-self.view(o[2], n, many), 1, kind="stable")[:, :rows], 1)
            self.view(o[0], n, rows, width)[:] = np.take_along_axis(self.view(o[1], n, many, width), best[:, :, None], 1)
        elif opcode == 0:  # linear
            m, out, k, section, period = s[:5]
            y = self.view(o[2], m, k) @ self.weight(o[3], out, k, section).T
            if o[4] != NONE:
                y = y + self.weight(o[4], out, 1, section)[:, 0]
            if o[5] != NONE:
                y = y + self.view(o[5], period, out)[np.arange(m) % period]
            self.view(o[0], m, out)[:] = gelu(y) if flags & 1 else y
        elif opcode == 3:  # attention
            n, queries, tokens, heads, width, *strides = s
            for image in range(n):
                for head in range(heads):

                    def rows(operand, stride, length):
                        segment, start = self.segments[operand >> 56], (operand & 2**56 - 1) // 4 + image * length * stride + head * width
                        return np.lib.stride_tricks.as_strided(segment[start:], (length, width), (stride * 8, 8))

                    q, k, v = (rows(o[2 + i], strides[i], (queries, tokens, tokens)[i]) for i in range(3))
                    scores = r[0] * q @ k.T
                    p = np.exp(scores - scores.max(1, keepdims=True))
                    rows(o[0], strides[3], queries)[:] = p @ v / p.sum(1, keepdims=True)
        elif opcode == 5:  # layer_norm
            m, d = s[:2]
            x = self.view(o[2], m, d)
            normal = (x - x.mean(1, keepdims=True)) / np.sqrt(x.var(1, keepdims=True) + r[0])
            y = normal * self.view(o[3], d) + self.view(o[4], d)
            self.numbers(o[0], flags & Y_BF16, m, d)[:] = rounded(y) if flags & Y_BF16 else y
        elif opcode == 7:  # gelu
            self.view(o[0], s[0])[:] = gelu(self.view(o[2], s[0]))
        elif opcode == 8:  # add
            m, d, period = s[:3]
            self.view(o[0], m, d)[:] = self.view(o[1], m, d) + self.view(o[2], period, d)[np.arange(m) % period]
        elif opcode == 12:  # select_rows
            n, rows, d, t, first, offset, _, lead = s[:8]
            chosen = [0] * lead + [first + offset + j for j in range(rows - lead)]
            self.view(o[0], n, rows, d)[:] = self.view(o[1], n, t, d)[:, chosen]
        elif opcode == 14:  # prepend_row
            n, rows, d = s[:3]
            y = self.view(o[0], n, rows + 1, d)
            y[:, 0], y[:, 1:] = self.view(o[2], d), self.view(o[1], n, rows, d)
        elif opcode == 17:  # mean_rows
            n, rows, d, t, first = s[:5]
            self.view(o[0], n, d)[:] = self.view(o[1], n, t, d)[:, first : first + rows].mean(1)
        elif opcode == 35:  # concatenate
            m, a, b = s[:3]
            self.view(o[0], m, a + b)[:] = np.concatenate([self.view(o[1], m, a), self.view(o[2], m, b)], 1)
        elif opcode == 37:  # quantize_rows: kept apart, as bytes, scales and zeros
            m, k = s[:2]
            x = self.view(o[1], m, k).astype(np.float32)
            lo, hi = np.minimum(x.min(1), 0), np.maximum(x.max(1), 0)
            inverse = np.where(hi - lo > 1e-30, np.float32(255) / np.maximum(hi - lo, np.float32(1e-30)), np.float32(0))
            zero = np.rint(-lo * inverse)
            levels = np.clip(np.rint(x * inverse[:, None]) + zero[:, None], 0, 255)
            self.quantized[o[0]] = levels.astype(np.int64), (hi - lo) / np.float32(255), zero.astype(np.int64)
        elif opcode == 38:  # linear_int8
            m, out, k, section, period = s[:5]
            q, scale, zero = self.quantized[o[1]]
            weight, column_scale, column_sum = self.int8_weight(o[2], out, k, section)
            exact = q @ weight.T - np.outer(zero, column_sum)
            y = exact * scale[:, None].astype(float) * column_scale
            if o[3] != NONE:
                y = y + self.weight(o[3], out, 1, section)[:, 0]
            if o[4] != NONE:
                y = y + self.view(o[4], period, out)[np.arange(m) % period]
            self.view(o[0], m, out)[:] = gelu(y) if flags & 1 else y
        elif opcode == 47:  # linear_bf16: operands rounded, sums not
            m, out, k, section, period = s[:5]
            weight = self.bf16_weight(o[3], out, k, section) if flags & WEIGHT_BF16 else rounded(self.weight(o[3], out, k, section))
            x = self.numbers(o[2], flags & X_BF16, m, k)
            y = (x if flags & X_BF16 else rounded(x)) @ weight.T
            if o[4] != NONE:
                y = y + self.weight(o[4], out, 1, section)[:, 0]
            if o[5] != NONE:
                y = y + self.view(o[5], period, out)[np.arange(m) % period]
            y = gelu(y) if flags & 1 else y
            self.numbers(o[0], flags & Y_BF16, m, out)[:] = rounded(y) if flags & Y_BF16 else y
        elif opcode == 48:  # attention_bf16: probabilities are rounded before they are divided by their sum
            n, queries, tokens, heads, width, *strides = s
            for image in range(n):
                for head in range(heads):

                    def halves(operand, stride, length):
                        start = (operand & 2**56 - 1) // 2 + image * length * stride + head * width
                        return np.lib.stride_tricks.as_strided(self.halves[start:], (length, width), (stride * 8, 8))

                    q, k, v = (halves(o[2 + i], strides[i], (queries, tokens, tokens)[i]) for i in range(3))
                    scores = r[0] * q @ k.T
                    p = np.exp(scores - scores.max(1, keepdims=True))
                    y = rounded(p) @ v / p.sum(1, keepdims=True)
                    if flags & Y_BF16:
                        halves(o[0], strides[3], queries)[:] = rounded(y)
                    else:
                        start = (o[0] & 2**56 - 1) // 4 + image * queries * strides[3] + head * width
                        rows = self.segments[o[0] >> 56][start:]
                        np.lib.stride_tricks.as_strided(rows, (queries, width), (strides[3] * 8, 8))[:] = y
        else:
            raise SystemExit(f"opcode {opcode} is not in the description")


def main():
    program, pictures, features = Program(sys.argv[1]), np.load(sys.argv[2]), np.load(sys.argv[3])
    count = len(pictures) // program.images * program.images
    ours = np.concatenate([program.run(pictures[i : i + program.images]) for i in range(0, count, program.images)])
    error = np.abs(ours - features[:count].reshape(ours.shape)).max() / np.abs(ours).max()
    print(f"second reader: {count} images, largest difference {error:.1e} of the largest feature")
    return 0 if error < (1e-5 if program.precision == 0 else 2e-2) else 1


if __name__ == "__main__":
    sys.exit(main())
