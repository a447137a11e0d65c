"""What the scripts that make fixtures share: pictures that the Swift tests make again, and hashes of pixels."""
import struct
import zlib

import numpy as np
from PIL import Image

MODES = {1: "L", 3: "RGB", 4: "CMYK"}  # CMYK: four channels that Pillow does not premultiply


def noise(height, width, channels, seed=1):
    """Bytes [height, width, channels]: Numerical Recipes' linear congruential generator, top byte."""
    values, state = [], seed
    for _ in range(height * width * channels):
        state = (state * 1664525 + 1013904223) & 0xFFFFFFFF
        values.append(state >> 24)
    return np.array(values, np.uint8).reshape(height, width, channels)


def pillow(array):
    """A picture of bytes [height, width, 1, 3 or 4]."""
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array, MODES[array.shape[2]])


def fnv(image):
    """FNV-1a, 64 bits, of the bytes of a picture or array; as text, which JSON keeps whole."""
    digest = 0xCBF29CE484222325
    for byte in np.asarray(image).tobytes():
        digest = ((digest ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return str(digest)


def chunk(kind, data):
    """A PNG's chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
