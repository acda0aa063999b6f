"""The Dockerfile, read rather than run: its files exist, its commands are the Makefile's, its health check works, it runs as nobody."""

from __future__ import annotations

import fnmatch
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import Settings
from tests.live_server import SLOW_SERVICE, LiveServer

ROOT = Path(__file__).resolve().parent.parent


def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments) of the Dockerfile in order, comments dropped and continued lines joined."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    lines = (line.split(maxsplit=1) for line in text.splitlines() if line.strip())
    return [(word, " ".join(arguments.split())) for word, arguments in lines]


def arguments_of(instruction: str) -> list[str]:
    return [arguments for word, arguments in instructions() if word == instruction]


def copied() -> list[str]:
    """The paths that are copied from this repository."""
    return [path for arguments in arguments_of("COPY") if not arguments.startswith("--from=") for path in arguments.split()[:-1]]


def made_by(target: str, venv: Path) -> str:
    """The commands `make` would run for a target in a fresh environment."""
    return subprocess.run(["make", "--dry-run", f"VENV={venv}", target], cwd=ROOT, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("path", copied())
def test_every_file_it_copies_exists_and_is_let_through(path: str) -> None:
    assert (ROOT / path).exists()
    patterns = [line for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    admitted = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
    assert any(path == pattern or path.startswith(f"{pattern}/") for pattern in admitted)
    assert not any(fnmatch.fnmatch(path, pattern) for pattern in patterns if not pattern.startswith("!") and pattern != "*")


def test_everything_let_through_is_copied() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line.removeprefix("!") for line in lines if line.startswith("!")} == set(copied()) - {"app/__init__.py", "model/__init__.py"}


def test_its_base_image_is_named_by_digest() -> None:
    (image,) = arguments_of("ARG")
    assert re.fullmatch(r"PYTHON_IMAGE=python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", image)
    stages = [stage.split(" AS ") for stage in arguments_of("FROM")]
    made = {name for _, name in stages}
    assert {base for base, _ in stages} - made == {"${PYTHON_IMAGE}"}


def test_its_targets_differ_in_what_is_installed_alone_and_the_slim_one_is_the_default() -> None:
    stages = [stage.split(" AS ") for stage in arguments_of("FROM")]
    assert stages[-2:] == [["service", "full"], ["service", "slim"]]
    last = [instruction for instruction in instructions() if instruction[0] in {"FROM", "COPY"}][-4:]
    assert last[1::2] == [
        ("COPY", "--from=installed-full /srv/unturned/.venv .venv"),
        ("COPY", "--from=installed /srv/unturned/.venv .venv"),
    ]
    installing = [command.partition(" ")[2] for command in arguments_of("RUN") if ".ci/install" in command]
    assert installing == ["bash .ci/install serve", "bash .ci/install full"]


def test_it_installs_and_serves_as_make_does(tmp_path: Path) -> None:
    commands = made_by("serve", tmp_path / "venv")
    assert arguments_of("RUN")[0].endswith(".ci/install serve")
    assert ".ci/install serve" in commands.splitlines()
    (command,) = arguments_of("CMD")
    assert json.loads(command) == ["unturned", "serve"]
    assert f"exec {tmp_path}/venv/bin/python -m app.cli serve" in commands.splitlines()


def test_the_environment_is_where_the_search_path_looks() -> None:
    (workdir,) = set(arguments_of("WORKDIR"))
    environment = dict(re.findall(r"(\w+)=(\S+)", arguments_of("ENV")[0]))
    assert f"--from=installed {workdir}/.venv .venv" in arguments_of("COPY")
    assert environment["PATH"].split(":")[0] == f"{workdir}/.venv/bin"


def test_every_setting_it_makes_is_one_of_the_service() -> None:
    names = {name for name, _ in re.findall(r"(UNTURNED_\w+)=(\S+)", arguments_of("ENV")[0])}
    assert names == {"UNTURNED_HOST"}
    assert names <= {f"UNTURNED_{field.upper()}" for field in Settings.model_fields}


def test_it_runs_as_nobody_and_stops_on_sigterm() -> None:
    words = [word for word, _ in instructions()]
    assert arguments_of("USER") == ["10001:10001"]
    assert not {"RUN", "ADD"} & set(words[words.index("USER") :])  # what COPY makes is root's, whoever the user is
    assert not any("--chown" in arguments for arguments in arguments_of("COPY"))
    assert arguments_of("STOPSIGNAL") == ["SIGTERM"]


def test_its_health_check_passes_wherever_the_service_answers_and_fails_where_it_does_not() -> None:
    """Also with an address, hosts and a port other than the usual ones, and past a proxy, which Docker's own configuration names in every
    container."""
    (check,) = arguments_of("HEALTHCHECK")
    interpreter, *arguments = json.loads(check.partition("CMD")[2])
    assert interpreter == "python"

    def passes(host: str, port: int) -> bool:
        environment = os.environ | {"UNTURNED_HOST": host, "UNTURNED_PORT": str(port), "http_proxy": "http://proxy.invalid:3128"}
        return subprocess.run([sys.executable, *arguments], env=environment, capture_output=True, check=False).returncode == 0

    usual = re.findall(r"UNTURNED_HOST=(\S+)", arguments_of("ENV")[0])
    for host in (*usual, *(["::"] if has_ipv6() else [])):
        with LiveServer(SLOW_SERVICE, host=host, allowed_hosts="faces.example.org") as server:
            server.wait_for_line(event="listening")
            assert passes(host, server.port)
        assert not passes(host, server.port)


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
