"""Pictures in S3, of a real server on loopback. Its packages need an older python-dateutil than the lock's, so they have an environment
of their own: where ``pip install 's3fs' 'moto[server]'`` was run, these tests run; elsewhere they are skipped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.auditing.auditor import Auditor
from model.auditing.manifest import AuditError
from model.auditing.parts import part_path
from model.auditing.sources import open_source
from tests.auditing.made_audit import begun, check_audited_alike, check_read_alike, write_data_set
from tests.auditing.test_remote import write_plain_folder
from tests.auditing.test_sources import write_tables, write_tars, write_zip

s3fs = pytest.importorskip("s3fs")
moto_server = pytest.importorskip("moto.server")
boto3 = pytest.importorskip("boto3")

BUCKET = "faces-bucket"


@pytest.fixture
def without_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Any]:
    """A server, at the address that the packages take from the environment."""
    server = moto_server.ThreadedMotoServer(port=0, verbose=False)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*server.get_host_and_port()))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    s3fs.S3FileSystem.clear_instance_cache()  # one that is kept would ask the server of another test
    yield server
    server.stop()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def server(without_credentials: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "any")
    return without_credentials


def upload(folder: Path) -> None:
    """Every file below a folder, and objects that mark the folders, as Amazon's console makes them."""
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket=BUCKET)
    for path in sorted(folder.rglob("*")):
        key = str(path.relative_to(folder)) + "/" * path.is_dir()
        client.put_object(Bucket=BUCKET, Key=key, Body=b"" if path.is_dir() else path.read_bytes())


@pytest.mark.parametrize("write", [write_plain_folder, write_zip, write_tars, write_tables])
def test_pictures_in_a_bucket_are_listed_and_read_as_those_here(write: Callable[[Path], str], server: Any, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    address = write(tmp_path / "here")
    upload(tmp_path / "here")
    check_read_alike(address, f"s3://{BUCKET}/{address.rpartition('/')[2]}")


def test_an_audit_of_a_bucket_has_the_rows_of_one_here(server: Any, random_checkpoints: Path, tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    write_data_set(tmp_path / "faces" / "faces.zip")
    upload(tmp_path / "faces")
    check_audited_alike(tmp_path / "faces" / "faces.zip", f"s3://{BUCKET}/faces.zip", tmp_path, random_checkpoints)


def test_a_server_that_goes_away_stops_the_audit(server: Any, random_checkpoints: Path, tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "a.png").write_bytes(b"one")
    upload(tmp_path / "faces")
    audit = begun(f"s3://{BUCKET}", tmp_path / "out", random_checkpoints)
    with closing(Auditor(audit.job)) as auditor:
        server.stop()
        with pytest.raises(AuditError, match=rf"s3://{BUCKET}: cannot be reached .*the same command then goes on"):
            auditor.make(0)
    assert not part_path(tmp_path / "out", 0).exists()


def test_a_bucket_that_is_not_there_is_told(server: Any) -> None:
    with pytest.raises(AuditError, match=r"s3://nowhere/faces\.zip: there is nothing \(.*[Bb]ucket"):
        open_source("s3://nowhere/faces.zip")


def test_credentials_that_are_missing_are_told(without_credentials: Any) -> None:
    with pytest.raises(AuditError, match=r"Unable to locate credentials\): .*AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"):
        open_source(f"s3://{BUCKET}/faces.zip")
