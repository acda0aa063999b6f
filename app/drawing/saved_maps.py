"""The saved form of explained faces: an NPZ file.

Such a file is data from outside like any upload: sizes are read from the zip directory and from each array's header before anything is
allocated, nothing is unpickled, and every number must be finite.
"""

from __future__ import annotations

import io
import math
import re
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.explaining.maps import ExplainedFaces, FaceMaps, Floats, ModelMaps, Picture
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.networks import Grid
from model.predictor import MapKind

FILE_FORMAT = "unturned-maps-1"
MAX_FILE_BYTES = 64 << 20  # unpacked; forty faces with nine models take 3 MB
MAX_ENTRIES = 10_000
MAX_MAP_SIDE = 64  # cells
MAX_PICTURE_SIDE = 1024  # pixels
MAX_TEXT = 200  # characters
_PACKINGS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})  # NumPy's; of others `zipfile` cannot unpack only a part
_HEADER = re.compile(
    rb"\x93NUMPY\x01\x00..\{'descr': '(?P<dtype>[<>|](?:f[248]|[iu][1248]|U[1-9]\d{0,3}))', "
    rb"'fortran_order': (?P<columns>True|False), 'shape': \((?P<shape>(?:\d{1,9}, ?)*(?:\d{1,9})?)\), \} *\n",
    re.DOTALL,
)


class SavedMapsError(InputError):
    """A file of maps cannot be used; the message is one line that names the entry and the reason."""


def save_maps(explained: ExplainedFaces) -> bytes:
    """Explained faces as a compressed NPZ file; the same faces give the same bytes.

    Entries: ``format``, ``method``, ``gauge``, ``classes``, ``faces`` (their number); for face i ``i/picture``, ``i/caption``, ``i/label``
    ("" if unknown), ``i/models``; and for each model ``i/name/`` with ``checkpoint``, ``minor_classes``, ``grid`` (first, step, input),
    ``bias``, ``logits``, ``maps``, ``map_kind`` (exact or approximate; a file without it has exact ones).
    """
    entries: dict[str, Any] = {
        "format": FILE_FORMAT,
        "method": explained.method,
        "gauge": explained.gauge,
        "classes": np.array(EXPRESSIONS),
        "faces": np.int64(len(explained.faces)),
    }
    for index, face in enumerate(explained.faces):
        entries[f"{index}/picture"] = face.picture
        entries[f"{index}/caption"] = face.caption
        entries[f"{index}/label"] = face.label or ""
        entries[f"{index}/models"] = np.array([model.name for model in face.models])
        for model in face.models:
            prefix = f"{index}/{model.name}/"
            entries[prefix + "checkpoint"] = model.checkpoint
            entries[prefix + "minor_classes"] = np.array(model.minor_classes)
            entries[prefix + "grid"] = np.array([model.grid.first, model.grid.step, model.grid.input], dtype=np.int64)
            entries[prefix + "bias"] = model.bias
            entries[prefix + "logits"] = model.logits
            entries[prefix + "maps"] = model.maps
            entries[prefix + "map_kind"] = model.map_kind
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **entries)
    return buffer.getvalue()


def read_maps(data: bytes) -> ExplainedFaces:
    """Read what :func:`save_maps` wrote.

    Raises:
        SavedMapsError: not such a file, too large when unpacked, pickled objects inside, wrong shapes, or NaN or infinity.
    """
    entries = _Entries(_unpack(data))
    if entries.text("format") != FILE_FORMAT:
        raise SavedMapsError(f"format: not {FILE_FORMAT}")
    if entries.texts("classes") != EXPRESSIONS:
        raise SavedMapsError(f"classes: expected {', '.join(EXPRESSIONS)}")
    count = int(entries.array("faces", "iu", ())[()])
    if not 1 <= count <= len(entries.arrays):
        raise SavedMapsError(f"faces: {count} is not a number of faces")
    faces = tuple(_read_face(entries, index) for index in range(count))
    return ExplainedFaces(faces, entries.text("method"), entries.text("gauge"))


def _unpack(data: bytes) -> dict[str, NDArray[Any]]:
    """Every array of an NPZ file by name."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_entries(infos)
            return {info.filename.removesuffix(".npy"): _parse(info.filename, _content(archive, info)) for info in infos}
    except SavedMapsError:
        raise
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:  # the last of names and places that are none
        raise SavedMapsError(f"not a readable NPZ file ({error})") from error


def _check_entries(infos: list[zipfile.ZipInfo]) -> None:
    if len(infos) > MAX_ENTRIES:
        raise SavedMapsError(f"{len(infos)} entries, at most {MAX_ENTRIES} are read")
    for info in infos:
        if info.compress_type not in _PACKINGS:
            raise SavedMapsError(f"{info.filename!r}: packed in another way than NumPy's")
    unpacked = sum(info.file_size for info in infos)
    if unpacked > MAX_FILE_BYTES:
        raise SavedMapsError(f"{unpacked} bytes when unpacked, at most {MAX_FILE_BYTES} are read")


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    """An entry unpacked, no further than the directory says; asked for all of it, `zipfile` would unpack what there is and then cut."""
    with archive.open(info) as entry:
        return entry.read(info.file_size)


def _parse(name: str, data: bytes) -> NDArray[Any]:
    """One ``.npy`` entry of numbers or text, format version 1.0, whose header must announce exactly the bytes that follow.

    The header is matched, not evaluated: NumPy's own reader raises errors of many kinds for damaged ones, and allocates what they announce.
    """
    header = _HEADER.match(data)
    if header is None:
        raise SavedMapsError(f"{name!r}: not a NumPy array of numbers or text")
    dtype = np.dtype(header["dtype"].decode())
    shape = tuple(int(length) for length in header["shape"].replace(b",", b" ").split())
    content = data[header.end() :]
    if math.prod(shape) * dtype.itemsize != len(content):
        raise SavedMapsError(f"{name!r}: its shape does not match its size")
    return np.frombuffer(content, dtype).reshape(shape, order="F" if header["columns"] == b"True" else "C")


class _Entries:
    """Checked access to the arrays of a file."""

    def __init__(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.arrays = arrays

    def array(self, name: str, kinds: str, shape: tuple[int | None, ...]) -> NDArray[Any]:
        """An array of one of the dtype kinds and of a shape (None: any length)."""
        array = self.arrays.get(name)
        if array is None:
            raise SavedMapsError(f"{name!r} is missing")
        fits = array.ndim == len(shape) and all(want in (None, have) for want, have in zip(shape, array.shape, strict=True))
        if array.dtype.kind not in kinds or not fits:
            raise SavedMapsError(f"{name!r}: shape {array.shape} and type {array.dtype}, expected shape {shape}")
        return array

    def floats(self, name: str, shape: tuple[int | None, ...]) -> Floats:
        """A float array of a shape as float32, every number finite there."""
        with np.errstate(over="ignore"):
            array = self.array(name, "f", shape).astype(np.float32)
        if not np.isfinite(array).all():
            raise SavedMapsError(f"{name!r} holds NaN or infinity")
        return array

    def text(self, name: str) -> str:
        """A text, cut at :data:`MAX_TEXT`."""
        (text,) = self._texts(name, ())
        return text

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, each cut at :data:`MAX_TEXT`."""
        return self._texts(name, (None,))

    def _texts(self, name: str, shape: tuple[int | None, ...]) -> tuple[str, ...]:
        try:
            return tuple(str(text)[:MAX_TEXT] for text in self.array(name, "U", shape).ravel())
        except (ValueError, SystemError) as error:  # the latter of bytes that are no character
            raise SavedMapsError(f"{name!r}: {error}") from error


def _read_face(entries: _Entries, index: int) -> FaceMaps:
    label = entries.text(f"{index}/label") or None
    if label is not None and label not in EXPRESSIONS:
        raise SavedMapsError(f"'{index}/label': {label!r} is not an expression")
    names = entries.texts(f"{index}/models")
    if not names or len(set(names)) != len(names):
        raise SavedMapsError(f"'{index}/models' must name models, each once")
    models = tuple(_read_model(entries, index, name) for name in names)
    return FaceMaps(_read_picture(entries, f"{index}/picture"), models, entries.text(f"{index}/caption"), label)


def _read_picture(entries: _Entries, name: str) -> Picture:
    grey = name in entries.arrays and entries.arrays[name].ndim == 2
    picture = entries.array(name, "u", (None, None) if grey else (None, None, 3))
    height, width = picture.shape[:2]
    if picture.dtype != np.uint8 or height != width or not 1 <= height <= MAX_PICTURE_SIDE:
        raise SavedMapsError(f"{name!r}: expected a square uint8 picture of at most {MAX_PICTURE_SIDE} pixels a side")
    return picture


def _read_model(entries: _Entries, index: int, name: str) -> ModelMaps:
    prefix = f"{index}/{name}/"
    classes = len(EXPRESSIONS)
    maps = entries.floats(prefix + "maps", (2, classes, None, None))
    if not 1 <= min(maps.shape[2:]) <= max(maps.shape[2:]) <= MAX_MAP_SIDE:
        raise SavedMapsError(f"'{prefix}maps': {maps.shape[2]}x{maps.shape[3]} cells, at most {MAX_MAP_SIDE} a side")
    first, step, size = (int(value) for value in entries.array(prefix + "grid", "iu", (3,)))
    if not (0 <= first < size and 1 <= step <= size):
        raise SavedMapsError(f"'{prefix}grid': {first}, {step}, {size} is not a grid")
    minor = entries.texts(prefix + "minor_classes")
    if not set(minor) <= set(EXPRESSIONS):
        raise SavedMapsError(f"'{prefix}minor_classes' are not all expressions")
    return ModelMaps(
        name=name,
        checkpoint=entries.text(prefix + "checkpoint"),
        minor_classes=minor,
        grid=Grid(first, step, size),
        bias=entries.floats(prefix + "bias", (classes,)),
        logits=entries.floats(prefix + "logits", (2, classes)),
        maps=maps,
        map_kind=_map_kind(entries, prefix + "map_kind"),
    )


def _map_kind(entries: _Entries, name: str) -> MapKind:
    kind = entries.text(name) if name in entries.arrays else "exact"
    if kind not in ("exact", "approximate"):
        raise SavedMapsError(f"{name!r}: {kind!r} is neither exact nor approximate")
    return "exact" if kind == "exact" else "approximate"
