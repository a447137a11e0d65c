"""Features of pictures as NumPy arrays:   features.py ENCODER.curricle PICTURES.npy FEATURES.npy   (uint8 [N, H, W, C] to float32)"""

import ctypes, mmap, sys
import numpy as np

library = ctypes.CDLL("libcurricle.so.1")
library.curricle_arena_bytes.restype = ctypes.c_size_t
library.curricle_status_text.restype = ctypes.c_char_p
Shape = type(
    "Shape",
    (ctypes.Structure,),
    {"_fields_": [(n, ctypes.c_uint32) for n in "images height width channels patch pool rows row_width".split()]},
)
library.curricle_shape_of.restype = Shape


def check(status):
    if status:
        raise ValueError(library.curricle_status_text(status).decode())


with open(sys.argv[1], "rb") as file:
    program = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
encoder = ctypes.create_string_buffer(256)
check(library.curricle_open(encoder, ctypes.c_void_p(program.ctypes.data), ctypes.c_size_t(program.size), None))
shape = library.curricle_shape_of(encoder)
arena = np.empty(library.curricle_arena_bytes(encoder) + 128, np.uint8)
start = ctypes.c_void_p(arena.ctypes.data + -arena.ctypes.data % 128)
pictures = np.ascontiguousarray(np.load(sys.argv[2])).reshape(-1, shape.images, shape.height, shape.width, shape.channels)
features = np.empty((len(pictures), shape.images, shape.rows, shape.row_width), np.float32)
for picture, feature in zip(pictures, features):
    check(library.curricle_run(encoder, start, ctypes.c_void_p(picture.ctypes.data), ctypes.c_void_p(feature.ctypes.data)))
np.save(
    sys.argv[3],
    features.reshape(-1, shape.rows, shape.row_width).squeeze(1) if shape.rows == 1 else features.reshape(-1, shape.rows, shape.row_width),
)
