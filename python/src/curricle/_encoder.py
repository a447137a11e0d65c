"""Encoders: weights or program files that turn images into features."""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import tempfile
from pathlib import Path
from typing import Any, Iterable, List, Sequence, Union

import numpy as np
from numpy.typing import NDArray

from ._command import CurricleError, run_command
from ._library import ARENA_ALIGNMENT, ENCODER_BYTES, Options, Shape, check, library
from ._version import version

Pixels = NDArray[np.uint8]
Features = NDArray[np.float32]
PathLike = Union[str, "os.PathLike[str]"]
#: A path, u8 [H, W, C] or [H, W], a PIL image, or a torch tensor u8 [C, H, W].
Image = Any


def cache_folder() -> Path:
    """Where compiled encoders are kept: ``$CURRICLE_CACHE``, else ``$XDG_CACHE_HOME/curricle``, else ``~/.cache/curricle``."""
    named = os.environ.get("CURRICLE_CACHE")
    return Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curricle"


class Encoder:
    """A vision transformer that turns images into features, without PyTorch.

    Args:
        path: a file of weights that ``curricle import`` reads (MAE's, CL-MAE's, timm's, Hugging Face's, a run's folder), or a program file
            (``.curricle``), whose pool, precision and size are its own.
        pool: ``cls``, ``mean``, ``cls+mean`` or ``tokens``.
        precision: ``f32`` or ``int8``.
        threads: of a run, 1 to 256. Any number gives the same bits.
        batch_size: images that are computed together.
        image_size: pixels, where the weights are to be used at another size than their own.
        normalize: whether each feature is divided by its length.
        options: more options of ``curricle compile``, by their names: ``weights_key="teacher"``.

    Raises:
        CurricleError: where the file cannot be read or compiled, with the reason.

    The same encoder may be used by several threads at a time, each call with memory of its own; it pickles as its arguments.
    """

    def __init__(
        self, path: PathLike, *, pool: str = "mean", precision: str = "f32", threads: int = 1, batch_size: int = 16,
        image_size: int | None = None, normalize: bool = False, **options: object,
    ) -> None:  # fmt: skip
        self._arguments = dict(
            path=os.fspath(path), pool=pool, precision=precision, threads=threads, batch_size=batch_size, image_size=image_size,
            normalize=normalize, **options)  # fmt: skip
        source = Path(os.fspath(path))
        if source.suffix == ".curricle":
            self.program = source
        else:
            words = ["--pool", pool, "--batch", str(batch_size), "--precision", precision]
            if image_size is not None:
                words += ["--image-size", str(image_size)]
            for name, value in options.items():
                words += [f"--{name.replace('_', '-')}", str(value)]
            self.program = _compiled(source, words)
        try:
            with open(self.program, "rb") as file:
                self._bytes = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
        except (OSError, ValueError) as error:
            raise CurricleError(f"{self.program}: {error}") from None
        self._encoder = ctypes.create_string_buffer(ENCODER_BYTES)
        asked = Options(size=ctypes.sizeof(Options), threads=threads, normalize=int(normalize))
        check(library().curricle_open(self._encoder, self._bytes.ctypes.data, self._bytes.size, ctypes.byref(asked)))
        self._shape = Shape(size=ctypes.sizeof(Shape))
        check(library().curricle_shape_of(self._encoder, ctypes.byref(self._shape)))

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """[H, W, C] of the images that it takes as they are; others are resized and cropped."""
        return self._shape.height, self._shape.width, self._shape.channels

    @property
    def width(self) -> int:
        """Numbers of a feature; with ``tokens`` of each of an image's ``rows``."""
        return int(self._shape.row_width)

    @property
    def rows(self) -> int:
        """1, or with the pool ``tokens`` the patches of an image."""
        return int(self._shape.rows)

    def features(self, images: Union[Image, Sequence[Image], Iterable[Image]]) -> Features:
        """Features of images.

        Args:
            images: one image or several: paths, PIL images, arrays u8 [H, W, C] or [H, W], torch tensors u8 [C, H, W]; or one array
                u8 [N, H, W, C] or tensor u8 [N, C, H, W]. What has another size is resized and cropped as ``curricle extract`` does.

        Returns:
            float32 [N, width], or with ``tokens`` [N, rows, width]: the bits that ``curricle extract`` writes.

        Raises:
            CurricleError: for what is no image, naming which.
        """
        height, width, channels = self.image_shape
        pictures = [_fitted(_pixels(image, channels, i), height, width) for i, image in enumerate(_several(images))]
        pixels = np.stack(pictures) if pictures else np.empty((0, height, width, channels), np.uint8)
        found = np.empty((len(pictures), self.rows, self.width), np.float32)
        arena = np.empty(library().curricle_arena_bytes(self._encoder) + ARENA_ALIGNMENT, np.uint8)
        start = arena.ctypes.data + -arena.ctypes.data % ARENA_ALIGNMENT
        check(library().curricle_run_n(self._encoder, start, pixels.ctypes.data, len(pictures), found.ctypes.data))
        return found[:, 0] if self.rows == 1 else found

    __call__ = features

    def __reduce__(self) -> tuple[Any, ...]:
        return _again, (self._arguments,)

    def __repr__(self) -> str:
        return f"Encoder({self._arguments['path']!r}, image_shape={self.image_shape}, width={self.width})"


def _again(arguments: dict[str, Any]) -> Encoder:
    return Encoder(arguments.pop("path"), **arguments)


def _compiled(source: Path, words: List[str]) -> Path:
    """The program of weights, made where the cache does not hold it yet."""
    folder = cache_folder()
    facts = hashlib.sha256("\0".join([version, *words]).encode())
    files = sorted(p for p in source.glob("*") if p.suffix in (".safetensors", ".json", ".bin", ".pth")) if source.is_dir() else [source]
    if source.is_dir() and (source / "model.safetensors").exists():
        files = [source / "model.safetensors"]
    for path in files:
        try:
            with open(path, "rb") as file:
                for block in iter(lambda: file.read(1 << 22), b""):
                    facts.update(block)
        except OSError as error:
            raise CurricleError(f"{path}: {error.strerror}") from None
    program = folder / f"{source.stem}-{facts.hexdigest()[:24]}.curricle"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        # Two processes may compile at once: each writes its own, and either is right.
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            made = Path(scratch) / "encoder.curricle"
            run_command("compile", "--weights", str(source), "--output", str(made), *words)
            os.replace(made, program)
    return program


def _several(images: Any) -> List[Any]:
    shape = getattr(images, "shape", None)
    if shape is not None:
        return list(images) if len(shape) == 4 else [images]
    if isinstance(images, (str, os.PathLike)) or hasattr(images, "convert"):
        return [images]
    return list(images)


def _pixels(image: Any, channels: int, index: int) -> Pixels:
    """u8 [H, W, channels], as the command reads it."""
    if isinstance(image, (str, os.PathLike)):
        try:
            from PIL import Image as Pillow
        except ImportError:
            raise CurricleError("paths need Pillow: pip install curricle[images]") from None
        try:
            with Pillow.open(image) as opened:
                opened.load()
                return _pixels(opened, channels, index)
        except (OSError, SyntaxError) as error:
            raise CurricleError(f"{os.fspath(image)}: {error}") from None
    mode = getattr(image, "mode", None)  # a method of torch's tensors
    if isinstance(mode, str) and mode.startswith("I;16"):  # the high byte, as the command reads 16-bit grey
        image = (np.asarray(image) >> 8).astype(np.uint8)
    elif hasattr(image, "convert"):
        grey = channels == 1 and image.mode in ("1", "L", "LA")
        image = np.asarray(image.convert("L" if grey else "RGBA" if channels == 4 else "RGB"))
    elif hasattr(image, "detach"):  # torch: channels first
        image = image.detach().cpu().numpy()
        image = np.moveaxis(image, 0, -1) if image.ndim == 3 else image
    array = np.asarray(image)
    if array.dtype != np.uint8:
        raise CurricleError(f"image {index} is {array.dtype}: give bytes 0…255 (uint8)")
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or 0 in array.shape:
        raise CurricleError(f"image {index} has the shape {list(array.shape)}: give [H, W, C]")
    if array.shape[2] != channels:
        if array.shape[2] == 1 and channels == 3:
            return np.repeat(array, 3, axis=2)
        raise CurricleError(f"image {index} has {array.shape[2]} channels, the encoder takes {channels}")
    return np.ascontiguousarray(array)


def _fitted(pixels: Pixels, height: int, width: int) -> Pixels:
    """Resized and cropped as MAE's evaluation does it."""
    input_height, input_width, channels = pixels.shape
    out = np.empty((height, width, channels), np.uint8)
    size = library().curricle_resize_crop_workspace(width, height, input_width, input_height, channels)
    workspace = np.empty(size // 8 + 1, np.float64)
    check(
        library().curricle_resize_crop(
            out.ctypes.data, width, height, pixels.ctypes.data, pixels.strides[0], input_width, input_height, channels, workspace.ctypes.data
        )
    )
    return out
