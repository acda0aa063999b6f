"""What is installed for serving alone serves everything but what needs PyTorch, and says what would add that."""

from __future__ import annotations

import html
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.samples import sample_pictures
from tests.live_server import ROOT, LiveServer, form, part

SLIM = str(ROOT / "tests" / "without_pytorch.py")
COMMAND = "pip install -e '.[torch]'"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The shipped models and a data set, without PyTorch."""
    folder = tmp_path_factory.mktemp("datasets")
    (folder / "ferplus.zip").touch()
    with LiveServer(SLIM, "serve", datasets=folder) as running:
        yield running.wait_until_ready()


@pytest.fixture(scope="module")
def picture() -> bytes:
    return form(part(next(iter(sample_pictures().values()))))


def slim(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SLIM, *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("page", ["/", "/tray", "/claims", "/results", "/models", "/models/ours", "/about", "/docs", "/metrics"])
def test_every_page_is_served(server: LiveServer, page: str) -> None:
    assert server.get(page).status == 200


def test_a_picture_is_explained_and_drawn(server: LiveServer, picture: bytes) -> None:
    answer = server.post(picture, "/api/v1/explanations?models=baseline,ours")
    assert answer.status == 200
    assert answer.json["faces"][0]["explanations"]["ours"]["maps"]["original"]
    assert server.post(picture, "/api/v1/figures?format=pdf").body.startswith(b"%PDF")


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "layercam", "hirescam"])
def test_other_methods_are_told_what_adds_them(server: LiveServer, picture: bytes, method: str) -> None:
    answer = server.post(picture, f"/api/v1/explanations?method={method.replace('+', '%2B')}")
    assert (answer.status, answer.code) == (501, "not_installed")
    assert COMMAND in answer.json["detail"]


def test_the_page_offers_no_method_that_is_not_there(server: LiveServer) -> None:
    page = server.get("/").body.decode()
    assert '<option value="cam">' in page
    assert '<option value="gradcam" disabled>' in page
    assert "The others need PyTorch here: <code>pip install -e" in page


@pytest.mark.parametrize("page", ["/faces", "/faces?outcome=second", "/faces/0.png", "/supplement", "/supplement/fear.pdf", "/faces/0"])
def test_a_page_of_test_faces_says_what_adds_it(server: LiveServer, page: str) -> None:
    answer = server.get(page)
    assert answer.status == 501
    assert answer.headers["content-type"].startswith("text/html")
    assert COMMAND in html.unescape(answer.body.decode())


def test_what_a_script_asks_of_test_faces_is_told_as_a_problem(server: LiveServer) -> None:
    answer = server.get("/faces/0.json")
    assert (answer.status, answer.code) == (501, "not_installed")
    assert COMMAND in answer.json["detail"]


@pytest.mark.parametrize("page", ["/", "/claims"])
def test_no_page_leads_to_the_test_faces(server: LiveServer, page: str) -> None:
    """The navigation shows them greyed, with the reason."""
    text = html.unescape(server.get(page).body.decode())
    assert 'href="/faces' not in text
    assert 'href="/supplement' not in text
    assert f'aria-disabled="true" title="Needs PyTorch here: {COMMAND}">Faces</a>' in text


def test_the_commands_of_serving_work(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "face.jpg").write_bytes(next(iter(sample_pictures().values())))
    done = slim("explain", str(tmp_path / "photos"), "--out", str(tmp_path / "answers"))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 explained")
    assert slim("--help").returncode == 0


def test_another_method_ends_explain_with_what_adds_it(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("one.jpg", "two.jpg"):
        (tmp_path / "photos" / name).write_bytes(next(iter(sample_pictures().values())))
    done = slim("explain", str(tmp_path / "photos"), "--out", str(tmp_path / "answers"), "--method", "gradcam")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith(f"is not installed: this needs more than serving does: {COMMAND}")
    assert "internal_error" not in done.stderr


@pytest.mark.parametrize("arguments", [("train", "--method", "mek", "--data", "x"), ("export", "checkpoints/mek.safetensors", "x.onnx")])
def test_a_command_that_needs_more_says_what_adds_it(arguments: tuple[str, ...]) -> None:
    done = slim(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"unturned: torch is not installed: this needs more than serving does: {COMMAND}\n"
