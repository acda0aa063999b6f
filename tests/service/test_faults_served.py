"""Faults inside the whole service, over a socket."""

from __future__ import annotations

import contextlib
import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from app.errors import CannotStartError
from app.explaining import loading
from model.reference import save_checkpoint
from tests.live_server import GOOD_UPLOAD, LiveServer, form, part, png, stand_still, upload_request, wait_for_bytes
from tests.made_checkpoints import make_metadata, random_classifier
from tests.pictures import encoded, portrait

TARGET = "/api/v1/explanations?crop=whole"


@contextmanager
def service(checkpoints: Path, *command: str, **settings: Any) -> Iterator[LiveServer]:
    with LiveServer(*(command or ("-m", "app.cli", "serve")), checkpoint_dir=checkpoints, **settings) as running:
        yield running.wait_until_ready()


@pytest.mark.parametrize("fatal", [signal.SIGSEGV, signal.SIGKILL])
def test_a_decoder_that_crashes_harms_one_upload(random_checkpoints: Path, fatal: signal.Signals) -> None:
    """503 for the picture it was at; its successor, started beside the threads of the models, answers as it did."""
    with service(random_checkpoints, decoder_processes=1) as server:
        before = server.post(GOOD_UPLOAD, TARGET).json["faces"]
        (decoder,) = server.decoders()
        stand_still(decoder)  # so that the picture waits in the process that then dies
        waiting = server.connect().send(upload_request(GOOD_UPLOAD, TARGET))
        wait_for_bytes(decoder)
        os.kill(decoder, fatal)
        with contextlib.suppress(ProcessLookupError):  # one that SIGKILL ended while stopped may be gone
            os.kill(decoder, signal.SIGCONT)
        answer = waiting.answer()
        assert (answer.status, answer.code) == (503, "decoder_failed")
        assert ("retry-after" in answer.headers, answer.headers["connection"]) == (False, "close")
        assert server.metric("unturned_decoder_restarts_total") == 1
        assert server.post(GOOD_UPLOAD, TARGET).json["faces"] == before
        assert not [line for line in server.log() if line["level"] == "error"]


def test_a_picture_that_costs_too_much(random_checkpoints: Path) -> None:
    """Its decoder is ended and replaced, and the next picture is read."""
    expensive = encoded(portrait().resize((4500, 4500)), "PNG", compress_level=1)
    with service(random_checkpoints, decode_timeout_seconds=0.05, body_limit_bytes=64 << 20) as server:
        answer = server.post(form(part(expensive)), TARGET)
        assert (answer.status, answer.code) == (422, "image_too_complex")
        assert server.metric("unturned_decoder_restarts_total") == 1
        server.assert_serves(TARGET)


def test_a_model_whose_numbers_overflow(random_checkpoints: Path, tmp_path: Path) -> None:
    """Every weight is finite, so the model is loaded; what it makes of a face is not, so it is not served, but counted."""
    classifier = random_classifier(5)
    for module in classifier.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.mul_(6e4)
    path = tmp_path / "overflow.safetensors"
    save_checkpoint(path, classifier, make_metadata("overflow"))
    with service(random_checkpoints, extra_checkpoints=path) as server:
        answer = server.post(GOOD_UPLOAD, f"{TARGET}&models=baseline,overflow")
        assert (answer.status, answer.code) == (500, "non_finite_output")
        assert server.metric('unturned_rejected_total{code="non_finite_output"}') == 1
        assert server.post(GOOD_UPLOAD, f"{TARGET}&models=baseline").status == 200


UNWRITABLE = """
import resource, runpy, sys

resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
sys.argv = ["unturned", "serve"]
runpy.run_module("app.cli", run_name="__main__")
"""


def test_everything_works_where_no_file_can_be_written(random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limit of no bytes a file is a full disk everywhere, and leaves no folder fit for temporary files."""
    monkeypatch.setenv("HOME", "/proc/1/nowhere")
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path))  # else matplotlib makes a folder of its own and leaves it behind
    large = form(part(png() + bytes(3 << 20)))
    with service(random_checkpoints, "-c", UNWRITABLE) as server:
        for target in ("/api/v1/explanations", "/api/v1/figures", "/api/v1/maps", "/explain"):
            assert server.post(large, f"{target}?crop=whole").status == 200, target
        for target in ("/", "/docs", "/models", "/static/icons/favicon.svg", "/metrics"):
            assert server.get(target).status == 200, target
        assert not [line for line in server.log() if line["level"] == "error"]
    assert [path.name for path in tmp_path.iterdir() if path.stat().st_size] == []


LITTLE_ADDRESS_SPACE = """
import resource, runpy, sys

resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))
sys.argv = ["unturned", "serve"]
runpy.run_module("app.cli", run_name="__main__")
"""


def test_too_little_address_space_is_told_as_what_is_needed(random_checkpoints: Path) -> None:
    """Not as the message of the library that happened to fail."""
    with LiveServer("-c", LITTLE_ADDRESS_SPACE, checkpoint_dir=random_checkpoints) as server:
        assert server.exit_status() == 3
        message = server.stderr()
    assert message.startswith("unturned: cannot start: the service may use 300 MiB of address space, and it needs some 2048: raise or lift")
    assert message.count("\n") == 1


def test_no_folder_to_write_to_is_told_as_what_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> str:
        raise FileNotFoundError

    monkeypatch.setattr(tempfile, "gettempdir", nowhere)
    monkeypatch.setattr(loading, "SHARED_MEMORY", "/proc/1/nowhere")
    with pytest.raises(CannotStartError, match="need a folder that can be written to, and there is none: mount one at /tmp, or name one"):
        loading.have_temporary_folder()
