"""What is written for the Hugging Face Hub, read by the Hub's own library and held to the files it tells of."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from huggingface_hub import ModelCard, SpaceCard

from app.settings import Settings
from docs.write_huggingface import CHECKPOINTS, ROOT, SPACE_SETTINGS, model_card, space_readme, write_models, write_space
from model.checkpoints import load_manifest, read_checkpoint

MANIFEST = load_manifest(CHECKPOINTS)
RESULTS = CHECKPOINTS / "results"
COLOURS = {"red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray"}  # what the Hub takes for colorFrom and colorTo


@pytest.fixture(params=sorted(MANIFEST.checkpoints))
def card(request: pytest.FixtureRequest) -> tuple[str, str]:
    """A checkpoint's name, and its card."""
    name: str = request.param
    entry = MANIFEST.checkpoints[name]
    metadata = read_checkpoint(CHECKPOINTS / entry.file, entry).metadata
    return name, model_card(name, entry.file, metadata, ours=name == MANIFEST.ours)


def header(text: str) -> dict[str, Any]:
    """The YAML between the first two lines of dashes."""
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def test_the_hub_reads_a_cards_header_and_gives_it_back_whole(card: tuple[str, str]) -> None:
    """A ``model-index`` that is not laid out as the Hub documents is refused by its library."""
    _, text = card
    data: Any = ModelCard(text).data
    assert data.license == "mit"
    assert data.to_dict()["model-index"] == header(text)["model-index"]


def test_a_cards_accuracies_are_those_of_the_run(card: tuple[str, str]) -> None:
    name, text = card
    metadata = read_checkpoint(CHECKPOINTS / MANIFEST.checkpoints[name].file).metadata
    runs = [json.loads(path.read_bytes()) for path in RESULTS.rglob(f"ferplus-original-{metadata.method}-seed{metadata.seed}*.json")]
    (result,) = [run for run in runs if (run["revision"], run["epochs"]) == (metadata.revision, metadata.epochs)]
    data: Any = ModelCard(text).data
    assert data.model_name == f"unturned-{name}"
    results = {found.metric_type: found for found in data.eval_results}
    assert {kind: found.metric_value for kind, found in results.items()} == {
        "accuracy": pytest.approx(result["test"]["overall"], abs=1e-6),
        "balanced_accuracy": pytest.approx(result["test"]["mean"], abs=1e-6),
    }
    for found in results.values():
        assert (found.task_type, found.dataset_name, found.dataset_config) == ("image-classification", "FERPlus", "original")
        assert (found.dataset_split, found.dataset_args) == ("test", {"faces": result["test"]["faces"]})
        assert found.metric_args == {"revision": result["revision"]}


def test_a_card_says_what_it_is_for_and_what_not(card: tuple[str, str]) -> None:
    name, text = card
    assert "## Intended use and limits" in text
    assert "Not for judging people" in text
    assert "Licence: MIT" in text
    assert f'load("{MANIFEST.checkpoints[name].file}")' in text
    assert ("the demo's *ours*" in text) == (name == MANIFEST.ours)


def test_every_checkpoint_is_written_with_its_own_card(random_checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("docs.write_huggingface.CHECKPOINTS", random_checkpoints)
    write_models(tmp_path)
    assert {folder.name for folder in tmp_path.iterdir()} == {"baseline", "mek_sf"}
    for folder in tmp_path.iterdir():
        file = f"{folder.name}.safetensors"
        assert {path.name for path in folder.iterdir()} == {file, "README.md"}
        assert (folder / file).read_bytes() == (random_checkpoints / file).read_bytes()
        text = (folder / "README.md").read_text(encoding="utf-8")
        data: Any = ModelCard(text).data
        assert data.model_name == f"unturned-{folder.name}"
        assert ("the demo's *ours*" in text) == (folder.name == "mek_sf")


def test_the_header_of_the_space() -> None:
    card: Any = SpaceCard(space_readme()).data
    data = card.to_dict()
    assert data["sdk"] == "docker"
    assert data["app_port"] == Settings.model_fields["port"].default
    assert f"EXPOSE {data['app_port']}\n" in (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert (data["title"], data["license"], data["pinned"]) == ("unturned", "mit", False)
    assert {data["colorFrom"], data["colorTo"]} <= COLOURS
    assert len(data["emoji"]) == 1
    assert len(data["short_description"]) <= 60


def test_the_settings_of_the_space_are_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = dict(re.findall(r"(UNTURNED_\w+)=(\S+)", SPACE_SETTINGS))
    assert {name.removeprefix("UNTURNED_").lower() for name in chosen} <= set(Settings.model_fields)
    for name, value in chosen.items():
        monkeypatch.setitem(os.environ, name, value)
    settings = Settings()
    assert (settings.allowed_hosts, settings.frame_ancestors, settings.metrics) == (("*",), ("https://huggingface.co",), False)


def test_the_space_has_all_that_the_dockerfile_copies(tmp_path: Path) -> None:
    write_space(tmp_path)
    dockerfile = (tmp_path / "Dockerfile").read_text(encoding="utf-8")
    assert dockerfile == (ROOT / "Dockerfile").read_text(encoding="utf-8") + SPACE_SETTINGS
    copied = [line.split()[1:-1] for line in dockerfile.splitlines() if line.startswith("COPY ") and "--from" not in line]
    assert [path for paths in copied for path in paths if not (tmp_path / path).exists()] == []
    command = ["git", "ls-files", "app", "model", "static", "templates", "checkpoints"]
    tracked = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    assert [name for name in tracked if (ROOT / name).is_file() and not (tmp_path / name).is_file()] == []
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == space_readme()
