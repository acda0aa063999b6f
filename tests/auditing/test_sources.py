"""Pictures are listed and read alike, wherever they are."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from model.auditing.manifest import AuditError
from model.auditing.sources import READ_ERRORS, Place, open_source

PICTURES = {"b/2.png": b"two", "a.JPG": b"one", "b/c/3.webp": b"three", "a \u00fc/50%.png": b"four"}  # a URL spells the last otherwise
OTHERS = {"notes.txt": b"x", ".hidden.png": b"x", "b/c/4.json": b"x", "b/.git/5.png": b"x"}


def write_folder(root: Path) -> str:
    for name, content in (PICTURES | OTHERS).items():
        (root / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "faces" / name).write_bytes(content)
    os.mkfifo(root / "faces" / "pipe.png")
    (root / "faces" / "round").symlink_to(root / "faces", target_is_directory=True)
    return str(root / "faces")


def write_memory(root: Path) -> str:
    files = fsspec.filesystem("memory")
    for name, content in (PICTURES | OTHERS).items():
        files.pipe_file(f"/{root.name}/{name}", content)
    return f"memory://{root.name}"


def write_zip(root: Path) -> str:
    with zipfile.ZipFile(root / "faces.zip", "w") as archive:
        for name, content in (PICTURES | OTHERS).items():
            archive.writestr(name, content, zipfile.ZIP_DEFLATED)
    return f"file://{root / 'faces.zip'}"


def write_tars(root: Path) -> str:
    for number, (name, content) in enumerate((PICTURES | OTHERS).items()):
        with tarfile.open(root / f"shard-{number % 2}.tar", "a") as archive:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return str(root / "shard-*.tar")


def write_tables(root: Path) -> str:
    contents = list(PICTURES.values())
    structures = [{"bytes": content, "path": None} for content in contents[:3]]
    pq.write_table(
        pa.table({"id": list(PICTURES)[:3], "image": structures, "label": ["fear", None, None]}), root / "t-0.parquet", row_group_size=1
    )
    pq.write_table(pa.table({"png": pa.array(contents[3:], pa.large_binary()), "number": [7]}), root / "t-1.parquet")
    return str(root / "t-*.parquet")


@pytest.mark.parametrize(
    ("write", "ids"),
    [
        (write_folder, ["a \u00fc/50%.png", "a.JPG", "b/2.png", "b/c/3.webp"]),
        (write_memory, ["a \u00fc/50%.png", "a.JPG", "b/2.png", "b/c/3.webp"]),
        (write_zip, list(PICTURES)),
        (write_tars, ["shard-0.tar/b/2.png", "shard-0.tar/b/c/3.webp", "shard-1.tar/a.JPG", "shard-1.tar/a \u00fc/50%.png"]),
        (write_tables, ["b/2.png", "a.JPG", "b/c/3.webp", "t-1.parquet#0"]),
    ],
)
def test_every_picture_is_listed_once_and_read_by_another_process(write: Callable[[Path], str], ids: list[str], tmp_path: Path) -> None:
    address = write(tmp_path)
    listed = list(open_source(address).pictures())
    assert [picture.id for picture in listed] == ids
    other = open_source(address)  # as a process that only knows the address and the list
    contents = {picture.id.partition(".tar/")[2] or picture.id: other.read(picture.place) for picture in reversed(listed)}
    assert contents == {name if name in contents else "t-1.parquet#0": content for name, content in PICTURES.items()}


def test_a_table_says_labels_of_its_own(tmp_path: Path) -> None:
    assert [picture.label for picture in open_source(write_tables(tmp_path)).pictures()] == ["fear", None, None, None]


def test_a_member_of_this_folder_is_not_hidden(tmp_path: Path) -> None:
    """``tar cf faces.tar .`` writes it so."""
    with tarfile.open(tmp_path / "faces.tar", "w") as archive:
        for name in ("./a.png", "./b/c.png", "./.thumbs/c.png"):
            archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    ids = [picture.id for picture in open_source(str(tmp_path / "faces.tar")).pictures()]
    assert ids == ["faces.tar/./a.png", "faces.tar/./b/c.png"]


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "faces[1]").mkdir()
    (tmp_path / "faces[1]" / "a.png").write_bytes(b"one")
    (picture,) = open_source(str(tmp_path / "faces[1]")).pictures()
    assert picture.id == "a.png"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("nothing.zip", "there is nothing"),
        ("*.tar", "there is nothing"),
        ("notes.txt", "not from notes.txt"),
        ("faces.tar.gz", r"faces\.tar\.gz is compressed .*: decompress it to a \.tar file"),
        ("*.tgz", "more.tgz is compressed"),
        ("nowhere://x", r"cannot be read here \(Protocol not known: nowhere\)"),
        ("s3://bucket/faces.zip", "Install s3fs"),
    ],
)
def test_what_is_no_source_is_refused_in_a_line(name: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    for file in ("notes.txt", "faces.tar.gz", "more.tgz"):
        (tmp_path / file).touch()
    with pytest.raises(AuditError, match=reason) as refused:
        open_source(name if "://" in name else str(tmp_path / name))
    assert "\n" not in str(refused.value)


def test_a_picture_that_is_gone_or_cut_raises_what_a_row_can_hold(tmp_path: Path) -> None:
    address = write_tars(tmp_path)
    *_, last = open_source(address).pictures()
    with (tmp_path / "shard-1.tar").open("r+b") as file:
        file.truncate(last.place.position)
    with pytest.raises(READ_ERRORS, match="ends within"):
        open_source(address).read(last.place)
    with pytest.raises(READ_ERRORS):
        open_source(write_zip(tmp_path)).read(Place("gone.png", 5, 3))
    with pytest.raises(READ_ERRORS):
        open_source(write_folder(tmp_path)).read(Place("gone.png", None, 3))


def test_a_table_without_pictures_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"number": [1]}), tmp_path / "t.parquet")
    with pytest.raises(READ_ERRORS, match="found none"):
        list(open_source(str(tmp_path / "t.parquet")).pictures())


def tar_of_three() -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for number in range(3):
            member = tarfile.TarInfo(f"{number}.png")
            member.size = 3
            archive.addfile(member, io.BytesIO(b"abc"))
    return written.getvalue()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda whole: whole[:1024], "faces.tar is cut or damaged at byte 1024"),
        (lambda whole: whole[:1300], "faces.tar is cut or damaged at byte 1024"),
        (lambda whole: whole[:1025] + b"?" + whole[1026:], "faces.tar is cut or damaged at byte 1024"),
        (lambda whole: whole + whole, "faces.tar goes on behind its end at byte 3072"),
    ],
)
def test_a_tar_that_is_not_whole_is_refused(change: Callable[[bytes], bytes], reason: str, tmp_path: Path) -> None:
    whole = tar_of_three()
    (tmp_path / "faces.tar").write_bytes(whole)
    assert len(list(open_source(str(tmp_path / "faces.tar")).pictures())) == 3
    (tmp_path / "faces.tar").write_bytes(change(whole))
    with pytest.raises(READ_ERRORS, match=reason):
        list(open_source(str(tmp_path / "faces.tar")).pictures())


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_two_pictures(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.writestr("a.png", b"first")
        archive.writestr("a.png", b"second!")
    source = open_source(str(tmp_path / "faces.zip"))
    assert [source.read(picture.place) for picture in source.pictures()] == [b"first", b"second!"]


def test_a_member_is_not_unpacked_beyond_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "faces.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", b"x" * 5000)
    monkeypatch.setattr("model.auditing.sources.LARGEST_PICTURE", 1000)
    source = open_source(str(tmp_path / "faces.zip"))
    (picture,) = source.pictures()
    assert len(source.read(picture.place)) == 1001


def test_links_to_pictures_are_pictures(tmp_path: Path) -> None:
    """Stores of data sets keep files under other names, and folders of links to them."""
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "blob").write_bytes(b"three bytes more")
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "a.png").symlink_to(tmp_path / "store" / "blob")
    (tmp_path / "faces" / "gone.png").symlink_to(tmp_path / "store" / "gone")
    (tmp_path / "faces" / "folder.png").symlink_to(tmp_path / "store")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "faces" / "pipe.png").symlink_to(tmp_path / "pipe")
    source = open_source(str(tmp_path / "faces"))
    (picture,) = source.pictures()
    assert (picture.id, picture.place.size, source.read(picture.place)) == ("a.png", 16, b"three bytes more")


def test_every_name_of_a_file_in_a_tar_is_a_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"one")
    (tmp_path / "b.png").hardlink_to(tmp_path / "a.png")
    (tmp_path / "c.png").write_bytes(b"two")
    with tarfile.open(tmp_path / "faces.tar", "w") as archive:
        for name in ("a.png", "b.png", "c.png"):
            archive.add(tmp_path / name, name)
    source = open_source(str(tmp_path / "faces.tar"))
    assert [(picture.id, source.read(picture.place)) for picture in source.pictures()] == [
        *(("faces.tar/a.png", b"one"), ("faces.tar/c.png", b"two"), ("faces.tar/b.png", b"one"))
    ]
