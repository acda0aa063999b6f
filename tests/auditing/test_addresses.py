"""What an address may tell, and what it is of."""

from __future__ import annotations

import pytest

from model.auditing.addresses import without_secrets
from model.auditing.manifest import AuditError
from model.auditing.sources import open_source


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://user:secret@h/x.zip", "https://h/x.zip"),
        ("https://user:sec@ret@h:80/a@b.zip", "https://h:80/a@b.zip"),
        ("http://user:sec/ret@h/x.zip", "http://h/x.zip"),
        ("http://user:sec?ret@h/x.zip?secret", "http://h/x.zip?..."),
        ("http://user:sec#ret@h/x.zip", "http://h/x.zip"),
        ("http://secret@h/x.zip", "http://h/x.zip"),
        ("ftp://user:secret@h/x.zip", "ftp://h/x.zip"),
        ("sftp://user:secret@h/x.zip", "sftp://h/x.zip"),
        ("503, url='http://user:secret@h/x.zip?secret' of http://h/@y", "503, url='http://h/x.zip?... of http://h/@y"),
    ],
)
def test_what_may_be_secret_is_told_nowhere(address: str, shown: str) -> None:
    assert without_secrets(address) == shown


@pytest.mark.parametrize(
    "address",
    ["http://h/@user/x.zip", "http://h:80/@user/x.zip", "http://[::1]:80/@user/x.zip", "abfs://container@account/x.zip", "/a@b/x.zip"],
)
def test_an_at_sign_that_parts_no_user_from_a_host_stays(address: str) -> None:
    assert without_secrets(address) == address


def test_a_password_that_makes_no_address_is_not_told() -> None:
    with pytest.raises(AuditError, match=r"^http://127.0.0.1:1/x.zip: there is nothing") as refused:
        open_source("http://user:sec/ret@127.0.0.1:1/x.zip")
    assert "sec" not in str(refused.value)
