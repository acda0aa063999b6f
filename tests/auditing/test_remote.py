"""Pictures behind a real HTTP server: listed, read and audited as those on this machine; an outage stops the audit and loses nothing."""

from __future__ import annotations

import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import fsspec
import pyarrow.parquet as pq
import pytest
from fsspec import AbstractFileSystem

from app.auditing.auditor import Auditor
from model.auditing.manifest import AuditError
from model.auditing.parts import Audit, part_path
from model.auditing.sources import open_source
from model.findings.command import write_findings
from tests.auditing.file_server import FileServer, serving
from tests.auditing.made_audit import begun, check_audited_alike, check_read_alike, make_here, write_data_set
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


@pytest.mark.parametrize(
    ("write", "written", "name"), [(write_tars, "shard-0.tar", "a b.tar"), (write_tables, "t-1.parquet", "a b.parquet")]
)
def test_files_have_the_names_that_they_have_here(
    write: Callable[[Path], str], written: str, name: str, server: FileServer, served: Path
) -> None:
    write(served)
    (served / written).rename(served / name)
    check_read_alike(str(served / name), f"{server.address}/{quote(name)}")


@pytest.mark.parametrize(
    ("write", "written", "query", "ids"),
    [
        (write_zip, "faces.zip", "file=faces.zip", list(PICTURES)),
        (write_tars, "shard-0.tar", "signature=secret&file=shard-0.tar", ["get/b/2.png", "get/b/c/3.webp"]),
        (write_tables, "t-1.parquet", "file=t-1.PARQUET", ["get#0"]),
    ],
)
def test_an_archive_may_be_named_in_the_query(
    write: Callable[[Path], str], written: str, query: str, ids: list[str], server: FileServer, served: Path
) -> None:
    write(served)
    (served / written).rename(served / "get")
    source = open_source(f"{server.address}/get?{query}")
    listed = list(source.pictures())
    assert [picture.id for picture in listed] == ids
    assert {source.read(picture.place) for picture in listed} <= set(PICTURES.values())
    assert "secret" not in str(listed)


def test_the_kind_of_an_archive_is_told_by_its_path_before_its_query(server: FileServer, served: Path) -> None:
    write_zip(served)
    assert [picture.id for picture in open_source(f"{server.address}/faces.zip?of=b.tar").pictures()] == list(PICTURES)


def test_a_folder_with_a_query_is_refused(server: FileServer, served: Path) -> None:
    write_plain_folder(served)
    for folder in ("faces", "faces/"):
        with pytest.raises(AuditError, match=r"/faces/?\?\.\.\.: a folder is read without a query, .*: leave it out") as refused:
            open_source(f"{server.address}/{folder}?token=secret")
        assert "secret" not in str(refused.value)


def test_a_password_and_a_signature_open_the_source_and_are_written_nowhere(
    server: FileServer, served: Path, random_checkpoints: Path, tmp_path: Path
) -> None:
    write_data_set(served / "faces.zip")
    address, out = f"{server.address.replace('://', '://user:secret@')}/faces.zip", tmp_path / "out"
    first = begun(f"{address}?signature=secret/1", out, random_checkpoints)
    make_here(first, [0])
    assert server.asked == {(f"Basic {b64encode(b'user:secret').decode()}", "signature=secret/1")}
    again = begun(f"{address}?signature=secret/2", out, random_checkpoints)  # the next day's
    assert again.missing == first.missing[1:]
    make_here(again)
    write_findings(out)
    assert again.manifest.source == f"{server.address}/faces.zip?..."
    tables = [str(pq.read_table(path).to_pylist()) for path in out.glob("*.parquet")]
    texts = [(out / name).read_text() for name in ("manifest.json", "report.html")]
    assert "secret" not in "".join([*tables, *texts])


def test_no_error_tells_a_password(server: FileServer, served: Path, random_checkpoints: Path, tmp_path: Path) -> None:
    write_data_set(tmp_path / "faces.zip")
    with zipfile.ZipFile(tmp_path / "faces.zip") as archive:
        archive.extractall(served / "faces")
    address = server.address.replace("://", "://user:secret@")
    audit = begun(f"{address}/faces", tmp_path / "out", random_checkpoints)
    (served / "faces" / "001.png").unlink()
    make_here(audit, [0])
    assert Audit(tmp_path / "out").table(["error"]).to_pylist()[1] == {"error": f"unreadable_file: {server.address}/faces/001.png"}
    server.failing = True
    for source in (f"{address}/faces.zip?signature=secret", "http://user:secret@127.0.0.1:1/faces.zip?signature=secret"):
        with pytest.raises(AuditError) as refused:
            open_source(source)
        assert "secret" not in str(refused.value)
        assert "/faces.zip?..." in str(refused.value)


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
