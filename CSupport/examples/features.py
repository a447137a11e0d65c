"""Features of pictures as NumPy arrays:   features.py ENCODER.curricle PICTURES.npy FEATURES.npy   (uint8 [N, H, W, C] to float32)"""

import ctypes
import mmap
import sys

import numpy as np


class Shape(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t)] + [
        (name, ctypes.c_uint32) for name in "images height width channels patch pool rows row_width".split()
    ]


library = ctypes.CDLL("libcurricle.so.1")
library.curricle_open.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
library.curricle_run_n.argtypes = [ctypes.c_void_p] * 3 + [ctypes.c_size_t, ctypes.c_void_p]
library.curricle_shape_of.argtypes = [ctypes.c_void_p] * 2
library.curricle_arena_bytes.argtypes = [ctypes.c_void_p]
library.curricle_arena_bytes.restype = ctypes.c_size_t
library.curricle_status_text.restype = ctypes.c_char_p


def check(status):
    if status:
        raise ValueError(library.curricle_status_text(status).decode())


class Encoder:
    """Keeps alive what the library's encoder refers to: the file's mapping and the arena."""

    def __init__(self, path):
        with open(path, "rb") as file:
            self.program = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        self.encoder = ctypes.create_string_buffer(256)
        check(library.curricle_open(self.encoder, self.program.ctypes.data, self.program.size, None))
        self.shape = Shape(ctypes.sizeof(Shape))
        check(library.curricle_shape_of(self.encoder, ctypes.byref(self.shape)))
        self.arena = np.empty(library.curricle_arena_bytes(self.encoder) + 128, np.uint8)
        self.arena_start = self.arena.ctypes.data + -self.arena.ctypes.data % 128

    def __call__(self, pictures):
        """uint8 [N, H, W, C] to float32 [N, rows, row_width]."""
        s, count = self.shape, len(pictures)
        if pictures.dtype != np.uint8 or pictures.shape[1:] != (s.height, s.width, s.channels):
            raise ValueError(f"takes bytes [N, {s.height}, {s.width}, {s.channels}], not {pictures.dtype} {list(pictures.shape)}")
        pixels, features = np.ascontiguousarray(pictures), np.empty((count, s.rows, s.row_width), np.float32)
        check(library.curricle_run_n(self.encoder, self.arena_start, pixels.ctypes.data, count, features.ctypes.data))
        return features


def main():
    if len(sys.argv) != 4:
        print("usage: features.py ENCODER.curricle PICTURES.npy FEATURES.npy", file=sys.stderr)
        return 2
    try:
        features = Encoder(sys.argv[1])(np.load(sys.argv[2]))
    except (OSError, ValueError) as error:
        print(f"features.py: {error}", file=sys.stderr)
        return 1
    np.save(sys.argv[3], features[:, 0] if features.shape[1] == 1 else features)
    return 0


if __name__ == "__main__":
    sys.exit(main())
