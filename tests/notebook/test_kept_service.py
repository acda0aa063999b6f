"""What stays between two calls from Python, and what a change of the settings or a fork makes of it."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

from app.notebook.kept_service import SERVICE
from app.notebook.models import LoadedModel, load
from tests.browser.driving import HOPPER


@pytest.fixture
def model(random_checkpoints: Path) -> LoadedModel:
    return load(random_checkpoints / "baseline.safetensors")


def test_a_second_call_starts_nothing_until_the_settings_change(
    model: LoadedModel, random_checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.explain(HOPPER)
    first = SERVICE._running
    load(random_checkpoints / "mek_sf.safetensors").explain(HOPPER)
    assert first is SERVICE._running is not None
    monkeypatch.setenv("UNTURNED_SMALLEST_FACE", "0.1")
    model.explain(HOPPER)
    assert first is not SERVICE._running


def test_a_forked_process_explains_by_itself_and_leaves_the_parent_s_alone(model: LoadedModel) -> None:
    (expected,) = model.explain(HOPPER)
    context = multiprocessing.get_context("fork")
    answers = context.SimpleQueue()

    def explained() -> None:
        (face,) = model.explain(HOPPER)
        answers.put(face.predicted)

    child = context.Process(target=explained)
    child.start()
    child.join(60)
    if child.is_alive():
        child.kill()
    assert child.exitcode == 0 and answers.get() == expected.predicted
    (face,) = model.explain(HOPPER)
    assert face.predicted == expected.predicted
