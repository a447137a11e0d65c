"""libcurricle through ctypes, which lets go of the interpreter's lock while a function runs."""

from __future__ import annotations

import ctypes
import os
from functools import lru_cache
from pathlib import Path

from ._command import CurricleError

ENCODER_BYTES = 256
ARENA_ALIGNMENT = 128
PROGRAM_ALIGNMENT = 64


class Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("threads", ctypes.c_int32),
        ("isa", ctypes.c_int32),
        ("ignore_checksum", ctypes.c_int32),
        ("normalize", ctypes.c_int32),
        ("parallel_for", ctypes.c_void_p),
        ("parallel_context", ctypes.c_void_p),
    ]


class Shape(ctypes.Structure):
    _fields_ = [("size", ctypes.c_size_t)] + [
        (name, ctypes.c_uint32) for name in ("images", "height", "width", "channels", "patch", "pool", "rows", "row_width")
    ]


@lru_cache(maxsize=None)
def library() -> ctypes.CDLL:
    """``$CURRICLE_LIBRARY``, or the package's own."""
    found = ctypes.CDLL(os.environ.get("CURRICLE_LIBRARY") or str(Path(__file__).parent / "lib" / "libcurricle.so.1"))
    pointer, size, int32 = ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int32
    found.curricle_open.argtypes = [pointer, pointer, size, pointer]
    found.curricle_shape_of.argtypes = [pointer, pointer]
    found.curricle_run_n.argtypes = [pointer, pointer, pointer, size, pointer]
    found.curricle_resize_crop.argtypes = [pointer, int32, int32, pointer, ctypes.c_ssize_t, int32, int32, int32, pointer]
    found.curricle_resize_crop_workspace.argtypes = [int32] * 5
    for name in ("curricle_arena_bytes", "curricle_resize_crop_workspace"):
        getattr(found, name).restype = size
    for name in ("curricle_status_text", "curricle_version"):
        getattr(found, name).restype = ctypes.c_char_p
    return found


def check(status: int) -> None:
    if status:
        raise CurricleError(library().curricle_status_text(status).decode())
