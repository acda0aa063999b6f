"""The wheel, built of what is here, installed beside nothing else of this project, and used from an empty folder."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.live_server import ROOT, LiveServer, form, part

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Installed:
    """A wheel, the folder it was installed into, and an empty one to work in."""

    wheel: Path
    packages: Path
    elsewhere: Path

    def run(self, *arguments: str) -> str:
        """What Python says there."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("UNTURNED_")}
        environment |= {"PYTHONPATH": str(self.packages)}
        command = [sys.executable, *arguments]
        done = subprocess.run(command, cwd=self.elsewhere, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @property
    def command(self) -> str:
        """The script ``unturned``."""
        return str(self.packages / "bin" / "unturned")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Built and installed without fetching anything."""
    folder, packages = tmp_path_factory.mktemp("wheel"), tmp_path_factory.mktemp("packages")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-index", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT], check=True)
    (wheel,) = folder.iterdir()
    subprocess.run([*pip, "install", "--no-index", "--no-deps", "--no-compile", "--target", packages, wheel], check=True)
    return Installed(wheel, packages, tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="module")
def server(installed: Installed) -> Iterator[LiveServer]:
    with LiveServer(installed.command, "serve", cwd=installed.elsewhere, packages=installed.packages) as running:
        yield running.wait_until_ready()


def test_its_code_and_folders_are_those_of_the_wheel(installed: Installed) -> None:
    program = "import app, model, app.installation as here; print(app.__file__, model.__file__, here.shipped_folder('static'))"
    assert all(Path(place).is_relative_to(installed.packages) for place in installed.run("-c", program).split())


def test_its_one_name_in_python_is_the_project_s(installed: Installed) -> None:
    program = "import unturned; print(unturned.__file__, unturned.load, unturned.figure, unturned.show)"
    place = Path(installed.run("-c", program).split()[0])
    assert place == installed.packages / "unturned.py"


def test_pages_samples_and_static_files_are_served(server: LiveServer) -> None:
    page = server.get("/")
    assert page.status == 200
    named = re.findall(r'"(/static/[^"?]+)"', page.body.decode())
    assert named
    assert {server.get(path).status for path in named} == {200}
    assert {server.get(path).status for path in ("/models/cac/certificate", "/claims", "/results", "/samples/hopper")} == {200}


def test_a_sample_is_explained_by_the_shipped_models(server: LiveServer) -> None:
    sample = server.get("/static/samples/hopper.jpg").body
    answer = server.post(form(part(sample)), "/api/v1/explanations?models=baseline,ours")
    assert answer.status == 200
    assert set(answer.json["faces"][0]["explanations"]) == {"baseline", "ours"}
    manifest = json.loads((ROOT / "checkpoints" / "manifest.json").read_bytes())["checkpoints"]
    about = server.get("/info").json
    assert {name: model["sha256"] for name, model in manifest.items()} == about["models"]
    assert about["revision"] == "unknown"


def test_a_folder_is_explained_by_the_command(installed: Installed) -> None:
    photos = installed.elsewhere / "photos"
    photos.mkdir()
    (photos / "face.jpg").write_bytes((ROOT / "static" / "samples" / "hopper.jpg").read_bytes())
    assert installed.run(installed.command, "explain", "photos", "--out", "answers").startswith("1 explained")


def test_an_extra_is_added_by_the_name_of_the_wheel(installed: Installed) -> None:
    program = "from app.installation import extra_command; print(extra_command('torch'))"
    assert installed.run("-c", program).strip() == f"pip install '{installed.wheel.name}[torch]'"
