"""The list of an audit's pictures: in parts, with labels, and with a hash that changes with any of it."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from model.auditing.labels import Labels, read_labels
from model.auditing.listing import WrittenListing, read_listing, write_listing
from model.auditing.manifest import AuditError
from model.auditing.sources import Listed, Place, open_source
from model.errors import FileError

ODD = "caf\udce9.png"  # a file name that is not UTF-8, as Python reads it


class Names:
    """A source of pictures that are nothing but their names."""

    def __init__(self, *names: str, label: str | None = None) -> None:
        self._names = names
        self._label = label

    def pictures(self) -> Iterator[Listed]:
        for name in self._names:
            if name == "damaged":
                raise EOFError("the archive ends")
            yield Listed(name, Place(name, None, len(name)), self._label)

    def read(self, place: Place) -> bytes:
        raise NotImplementedError


def written(path: Path, *names: str, labels: Labels | None = None, label: str | None = None) -> WrittenListing:
    return write_listing(Names(*names, label=label), labels, 2, path / "listing.parquet")


def test_a_part_is_read_by_its_number(tmp_path: Path) -> None:
    found = written(tmp_path, "a", ODD, "c", labels={"c": ("fear", "test"), "z": ("anger", None)})
    assert (found.listed.pictures, found.labelled) == (3, 1)
    first, second = (read_listing(tmp_path / "listing.parquet", number) for number in range(2))
    assert [picture.place for picture in first] == [Place("a", None, 1), Place(ODD, None, 8)]
    assert [picture.id for picture in first] == ["a", r"caf\xe9.png"]
    assert second == [Listed("c", Place("c", None, 1), "fear", "test")]


def test_a_label_is_found_by_any_spelling_of_the_name(tmp_path: Path) -> None:
    """A table from elsewhere than macOS has an accented letter as one character; bytes that are no text stand as the audit shows them."""
    table = tmp_path / "labels.csv"
    table.write_text("id,label\nZo\u00eb.png,fear\ncaf\\xe9.png,anger\ngone.png,anger\n", encoding="utf-8")
    found = written(tmp_path, "Zoe\u0308.png", ODD, labels=read_labels(table))
    assert (found.labelled, found.strangers) == (2, 1)
    assert [picture.label for picture in read_listing(tmp_path / "listing.parquet", 0)] == ["fear", "anger"]


def test_a_label_for_an_id_of_several_pictures_is_refused(tmp_path: Path) -> None:
    """As Parquet shards have that each count their rows from 0."""
    labels: Labels = {"0": ("fear", None)}
    assert written(tmp_path, "0", "1", "1", labels=labels).labelled == 1  # no label is of those
    with pytest.raises(AuditError, match=r"^0 is the id of several pictures of the source, and --labels has one label for it"):
        written(tmp_path, "0", "1", "2", "0", labels=labels)


@pytest.mark.parametrize("place", [Place("a.png", 1 << 63, 3), Place("a.png", 0, 1 << 63)])
def test_a_picture_beyond_the_end_of_any_file_is_refused(place: Place, tmp_path: Path) -> None:
    class Damaged(Names):
        def pictures(self) -> Iterator[Listed]:
            yield Listed("a.png", place)

    with pytest.raises(AuditError, match=r"cannot be listed: a\.png is said to be beyond the end of any file"):
        write_listing(Damaged(), None, 2, tmp_path / "listing.parquet")


def test_a_zip_that_says_so_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "faces.zip"
    with zipfile.ZipFile(path, "w") as archive:
        member = zipfile.ZipInfo("a.png")
        member.extra = struct.pack("<HHQ", 1, 8, 1 << 63)  # zip64: where the member begins, for which four bytes do not suffice
        archive.writestr(member, b"one")
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 42 : directory + 46] = b"\xff" * 4
    path.write_bytes(content)
    with pytest.raises(AuditError, match=r"cannot be listed: a\.png is said to be beyond"):
        write_listing(open_source(str(path)), None, 2, tmp_path / "listing.parquet")


def test_the_hash_tells_every_difference(tmp_path: Path) -> None:
    labels: Labels = {"a": ("fear", None)}
    hashes = [written(tmp_path, *names).listed.sha256 for names in (("a", "b"), ("b", "a"), ("a", "bb"))]
    hashes.append(written(tmp_path, "a", "b", labels=labels).listed.sha256)
    assert len(set(hashes)) == len(hashes)
    assert written(tmp_path, "a", "b").listed.sha256 == hashes[0]


def test_labels_that_are_given_take_the_place_of_the_source_s_own(tmp_path: Path) -> None:
    assert written(tmp_path, "a", label="anger").labelled == 1
    assert written(tmp_path, "a", label="anger", labels={}).labelled == 0


@pytest.mark.parametrize(
    ("names", "label", "reason"),
    [
        ((), None, "holds no picture"),
        (("a", "damaged"), None, "cannot be listed: the archive ends"),
        (("a",), "contempt", "the label 'contempt'"),
    ],
)
def test_what_cannot_be_listed_is_refused(names: tuple[str, ...], label: str | None, reason: str, tmp_path: Path) -> None:
    with pytest.raises(AuditError, match=reason):
        written(tmp_path, *names, label=label)


def test_a_list_that_cannot_be_written_is_an_error_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="gone"):
        written(tmp_path / "gone", "a")
