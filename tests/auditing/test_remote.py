"""Pictures behind a real HTTP server: listed, read and audited as those on this machine; an outage stops the audit and loses nothing."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import fsspec
import pytest
from fsspec import AbstractFileSystem

from app.auditing.auditor import Auditor
from model.auditing.manifest import AuditError
from model.auditing.parts import part_path
from model.auditing.sources import open_source
from tests.auditing.file_server import FileServer, serving
from tests.auditing.made_audit import begun, check_audited_alike, check_read_alike, write_data_set
from tests.auditing.test_sources import OTHERS, PICTURES, write_tables, write_tars, write_zip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[FileServer]:
    (tmp_path / "served").mkdir()
    with serving(tmp_path / "served") as running:
        yield running


@pytest.fixture
def served(server: FileServer, tmp_path: Path) -> Path:
    """The folder that is served."""
    return tmp_path / "served"


def write_plain_folder(root: Path) -> str:
    for name, content in (PICTURES | OTHERS).items():
        (root / "faces" / name).parent.mkdir(parents=True, exist_ok=True)
        (root / "faces" / name).write_bytes(content)
    return str(root / "faces")


@pytest.mark.parametrize("write", [write_plain_folder, write_zip, write_tars, write_tables])
def test_pictures_elsewhere_are_listed_and_read_as_those_here(write: Callable[[Path], str], server: FileServer, served: Path) -> None:
    address = write(served)
    check_read_alike(address, f"{server.address}/{address.rpartition('/')[2]}")


def test_an_audit_over_the_network_has_the_rows_of_one_here(
    server: FileServer, served: Path, random_checkpoints: Path, tmp_path: Path
) -> None:
    write_data_set(served / "faces.zip")
    check_audited_alike(served / "faces.zip", f"{server.address}/faces.zip", tmp_path, random_checkpoints)


def test_an_outage_stops_the_audit_and_makes_no_row(server: FileServer, served: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    write_data_set(tmp_path / "faces.zip")
    with zipfile.ZipFile(tmp_path / "faces.zip") as archive:
        archive.extractall(served / "faces")
    audit = begun(f"{server.address}/faces", tmp_path / "out", random_checkpoints)
    with closing(Auditor(audit.job)) as auditor:
        server.failing = True
        with pytest.raises(AuditError, match=r"cannot be reached \(503.*the same command then goes on") as refused:
            auditor.make(0)
        assert "\n" not in str(refused.value)
        assert not part_path(tmp_path / "out", 0).exists()
        server.failing = False
        (served / "faces" / "001.png").unlink()
        assert auditor.make(0).errors == {"unreadable_file": 1}  # a picture that is gone is a row, as it is here


def test_a_server_that_is_not_there_is_told(server: FileServer) -> None:
    with pytest.raises(AuditError, match=r"there is nothing.*404"):
        open_source(f"{server.address}/gone.zip")
    with pytest.raises(AuditError, match=r"there is nothing.*Cannot connect"):
        open_source("http://127.0.0.1:1/faces.zip")


class UnreachableFiles(AbstractFileSystem):  # type: ignore[misc]
    """As those that connect when they are made, with an error of their own; it takes no options."""

    def __init__(self) -> None:
        raise Exception("no route\nto host")  # noqa: TRY002


def test_a_file_system_that_cannot_be_made_is_told() -> None:
    fsspec.register_implementation("unreachable", UnreachableFiles, clobber=True)
    with pytest.raises(AuditError, match=r"^unreachable://x: cannot be reached \(no route to host\): check that its server answers"):
        open_source("unreachable://x")
