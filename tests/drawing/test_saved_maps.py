"""Saved maps: what is written comes back, and a file from outside is read only as far as it is sound."""

from __future__ import annotations

import contextlib
import io
import struct
import tracemalloc
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.drawing.saved_maps import MAX_FILE_BYTES, SavedMapsError, read_maps, save_maps
from app.explaining.maps import ExplainedFaces, FaceMaps, ModelMaps
from model.networks import Grid


def explained() -> ExplainedFaces:
    rng = np.random.default_rng(0)

    def model(name: str, checkpoint: str, side: int) -> ModelMaps:
        maps = rng.normal(size=(2, 7, side, side)).astype(np.float32)
        bias = rng.normal(size=7).astype(np.float32)
        grid = Grid(17, 16, 19 + 16 * side)
        return ModelMaps(name, checkpoint, ("fear", "disgust"), grid, bias, (maps.mean((2, 3)) + bias).astype(np.float32), maps)

    grey = rng.integers(0, 256, (48, 48), dtype=np.uint8)
    colour = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    models = (model("baseline", "baseline", 5), model("ours", "mek_sf", 6))
    return ExplainedFaces((FaceMaps(grey, models, "first", "fear"), FaceMaps(colour, models)), "cam", "trained")


def changed(**entries: Any) -> bytes:
    """The file of :func:`explained` with some entries replaced (None: removed); ``__`` in a name stands for a slash."""
    with np.load(io.BytesIO(save_maps(explained()))) as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays |= {name.removeprefix("at_").replace("__", "/"): value for name, value in entries.items()}
    buffer = io.BytesIO()
    np.savez(buffer, **{name: value for name, value in arrays.items() if value is not None}, allow_pickle=True)
    return buffer.getvalue()


def test_saved_maps_come_back() -> None:
    saved, read = explained(), read_maps(save_maps(explained()))
    assert (read.method, read.gauge, len(read.faces)) == ("cam", "trained", 2)
    assert [(face.caption, face.label) for face in read.faces] == [("first", "fear"), ("", None)]
    for before, after in zip(saved.faces, read.faces, strict=True):
        np.testing.assert_array_equal(before.picture, after.picture)
        for model, copy in zip(before.models, after.models, strict=True):
            assert (model.title, model.grid, model.minor_classes) == (copy.title, copy.grid, copy.minor_classes)
            for name in ("bias", "logits", "maps"):
                np.testing.assert_array_equal(getattr(model, name), getattr(copy, name))
    assert read.faces[0].models[1].title == "ours (mek_sf)"


def test_equal_faces_give_equal_files() -> None:
    assert save_maps(explained()) == save_maps(explained())


def test_probabilities_are_a_softmax() -> None:
    logits = np.log(np.array([[1, 1, 1, 1, 1, 1, 4], [7, 1, 1, 1, 0.5, 0.5, 1]], dtype=np.float32)) + 1000
    model = ModelMaps("a", "a", (), Grid(17, 16, 99), np.zeros(7, np.float32), logits, np.zeros((2, 7, 5, 5), np.float32))
    np.testing.assert_allclose(model.probabilities, [[0.1] * 6 + [0.4], [7 / 12, *[1 / 12] * 3, 1 / 24, 1 / 24, 1 / 12]], rtol=1e-3)


NAN = np.full((2, 7, 5, 5), 0.0)
NAN[1, 2, 3, 4] = np.nan


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"at_0__baseline__maps": NAN}, "'0/baseline/maps' holds NaN or infinity"),
        ({"at_0__baseline__logits": np.full((2, 7), np.inf)}, "'0/baseline/logits' holds NaN"),
        ({"at_0__baseline__bias": np.full(7, 1e300)}, "'0/baseline/bias' holds NaN or infinity"),  # infinite in single precision
        ({"at_0__baseline__maps": np.array([{}], dtype=object)}, "not a NumPy array of numbers or text"),
        ({"at_0__baseline__maps": np.zeros((2, 6, 5, 5))}, "expected shape"),
        ({"at_0__baseline__maps": np.zeros((2, 7, 65, 5))}, "65x5 cells"),
        ({"at_0__baseline__maps": np.zeros((2, 7, 0, 5))}, "0x5 cells"),
        ({"at_0__baseline__maps": np.zeros((2, 7, 5, 5), np.int64)}, "expected shape"),
        ({"at_0__baseline__maps": None}, "'0/baseline/maps' is missing"),
        ({"at_0__baseline__grid": np.array([17, 0, 99])}, "is not a grid"),
        ({"at_0__baseline__minor_classes": np.array(["joy"])}, "not all expressions"),
        ({"at_0__picture": np.zeros((48, 47), np.uint8)}, "square uint8"),
        ({"at_0__picture": np.zeros((48, 48))}, "'0/picture'"),
        ({"at_0__picture": np.zeros((1025, 1025), np.uint8)}, "at most 1024"),
        ({"at_0__label": "joy"}, "'joy' is not an expression"),
        ({"at_0__models": np.array(["baseline", "baseline"])}, "each once"),
        ({"at_0__models": np.array([], dtype="U1")}, "must name models"),
        ({"at_faces": np.int64(0)}, "0 is not a number of faces"),
        ({"at_faces": np.int64(10**12)}, "is not a number of faces"),
        ({"at_faces": np.int64(3)}, "'2/label' is missing"),
        ({"at_format": "other"}, "format: not unturned-maps-1"),
        ({"at_classes": np.array(["anger"] * 7)}, "classes: expected neutral"),
    ],
)
def test_an_unsound_file_is_refused_by_entry(entries: dict[str, Any], reason: str) -> None:
    with pytest.raises(SavedMapsError, match=reason.replace("(", r"\(")):
        read_maps(changed(**entries))


def test_no_object_is_unpickled(tmp_path: Path) -> None:
    sentinel = tmp_path / "ran"

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (sentinel,))

    with pytest.raises(SavedMapsError, match="numbers or text"):
        read_maps(changed(at_0__picture=np.array([Payload()], dtype=object)))
    assert not sentinel.exists()


def zip_of(name: str, content: bytes, packing: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def test_a_zip_bomb_is_refused_by_its_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = zip_of("format.npy", bytes(MAX_FILE_BYTES + 1))
    assert len(bomb) < 100_000
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: pytest.fail("unpacked"))
    with pytest.raises(SavedMapsError, match="67108865 bytes when unpacked"):
        read_maps(bomb)


def test_of_an_entry_larger_than_its_directory_says_no_more_is_unpacked() -> None:
    bomb = bytearray(zip_of("format.npy", bytes(32 << 20)))
    struct.pack_into("<I", bomb, bomb.rindex(b"PK\x01\x02") + 24, 100)  # its size, the directory says
    tracemalloc.start()
    try:
        with pytest.raises(SavedMapsError, match="not a readable NPZ file"):
            read_maps(bytes(bomb))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 1 << 20


@pytest.mark.parametrize("packing", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_entries_packed_otherwise_than_numpy_does_are_refused(packing: int) -> None:
    """Even a damaged one, which would raise errors of its own."""
    content = bytearray(zip_of("format.npy", b"text" * 100, packing))
    content[50:60] = bytes(10)
    with pytest.raises(SavedMapsError, match=r"'format\.npy': packed in another way than NumPy's"):
        read_maps(bytes(content))


def test_a_header_that_announces_more_than_there_is_allocates_nothing() -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 29,)})
    with pytest.raises(SavedMapsError, match="does not match its size"):
        read_maps(zip_of("format.npy", header.getvalue() + bytes(8)))


def test_a_zip_whose_directory_lies_before_the_file_is_refused() -> None:
    data = bytearray(zip_of("format.npy", b"text"))
    directory = data.rindex(b"PK\x05\x06") + 16
    struct.pack_into("<I", data, directory, struct.unpack_from("<I", data, directory)[0] + 100)
    with pytest.raises(SavedMapsError, match="not a readable NPZ file"):
        read_maps(bytes(data))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"not a zip", zip_of("a.npy", b"\x93NUMPY"), zip_of("a.txt", b"text")])
def test_other_files_are_refused(data: bytes) -> None:
    with pytest.raises(SavedMapsError):
        read_maps(data)


def test_a_name_that_is_no_text_is_refused() -> None:
    content = bytearray(zip_of("a.npy", b"content"))
    entry = content.index(b"PK\x03\x04")
    content[entry + 7] |= 0x08  # its name is UTF-8, it says
    content[entry + 30] = 0x80  # where no character begins
    with pytest.raises(SavedMapsError, match="not a readable NPZ file"):
        read_maps(bytes(content))


@settings(max_examples=150)
@given(st.data())
def test_a_damaged_file_is_read_or_refused(data: st.DataObject) -> None:
    content = bytearray(save_maps(explained()))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(content))))
    with contextlib.suppress(SavedMapsError):
        read_maps(bytes(content[:cut]))


@settings(max_examples=300)
@given(st.data())
def test_a_damaged_entry_with_a_sound_checksum_is_read_or_refused(data: st.DataObject) -> None:
    with zipfile.ZipFile(io.BytesIO(save_maps(explained()))) as archive:
        entries = {name: bytearray(archive.read(name)) for name in archive.namelist()}
    content = entries[data.draw(st.sampled_from(sorted(entries)))]
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, min(len(content) - 1, 130)))] = data.draw(st.integers(0, 255))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, entry in entries.items():
            archive.writestr(name, bytes(entry))
    with contextlib.suppress(SavedMapsError):
        read_maps(buffer.getvalue())
