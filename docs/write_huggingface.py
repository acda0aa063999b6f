"""Writes what the Hugging Face Hub takes into dist/huggingface: the demo as a Space, and each shipped checkpoint with its model card.

``make huggingface`` runs it; nothing is sent anywhere. The cards are made of the checkpoints' own metadata.
"""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from model.checkpoints import CheckpointMetadata, load_manifest, read_checkpoint
from model.expressions import EXPRESSIONS

ROOT = Path(__file__).resolve().parent.parent
CHECKPOINTS = ROOT / "checkpoints"
OUT = ROOT / "dist" / "huggingface"
PORT = 8000  # the service's own
SPACE_SETTINGS = """
# This Space's settings: the Hub's proxy decides which host names lead here, and shows the pages in a frame.
ENV UNTURNED_ALLOWED_HOSTS=* \\
    UNTURNED_FRAME_ANCESTORS=https://huggingface.co \\
    UNTURNED_METRICS=0
"""

_templates = Environment(
    loader=FileSystemLoader(ROOT / "docs" / "huggingface"),
    autoescape=False,  # noqa: S701 - Markdown of our own numbers
    undefined=StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
)


def write_space(folder: Path) -> None:
    """The files that the Dockerfile copies, its settings of a Space at its end, and a README.md with the Space's header."""
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    let_through = [line.removeprefix("!") for line in ignored if line.startswith("!")]
    command = ["git", "ls-files", "-z", "--", *let_through]
    listing = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own names
    for name in [*filter(None, listing.split("\0")), ".dockerignore"]:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (folder / "Dockerfile").write_text(dockerfile + SPACE_SETTINGS, encoding="utf-8")
    (folder / "README.md").write_text(space_readme(), encoding="utf-8")


def space_readme() -> str:
    """README.md of the Space: its header, and what it shows."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    header = {
        "title": project["name"],
        "emoji": "🪞",
        "colorFrom": "indigo",
        "colorTo": "green",
        "sdk": "docker",
        "app_port": PORT,
        "license": "mit",  # of the code; a Hub page has one
        "pinned": False,
        "short_description": "What facial expression classifiers look at",
    }
    return _front_matter(header) + _templates.get_template("space.md.jinja").render(project)


def write_models(folder: Path) -> None:
    """A folder for each shipped checkpoint: its file and its card.

    Raises:
        CheckpointError: a checkpoint is not what the manifest says.
    """
    manifest = load_manifest(CHECKPOINTS)
    for name, entry in manifest.checkpoints.items():
        stored = read_checkpoint(CHECKPOINTS / entry.file, entry)
        (folder / name).mkdir(parents=True, exist_ok=True)
        shutil.copy(stored.path, folder / name / entry.file)
        card = model_card(name, entry.file, stored.metadata, ours=name == manifest.ours)
        (folder / name / "README.md").write_text(card, encoding="utf-8")


def model_card(name: str, file: str, metadata: CheckpointMetadata, *, ours: bool) -> str:
    """README.md of a checkpoint's repository: its header with ``model-index``, what it is, its accuracies, and what it is not for."""
    title = f"unturned-{name}"
    header = {
        "license": "mit",
        "pipeline_tag": "image-classification",
        "library_name": "unturned",
        "tags": ["facial-expression-recognition", "class-activation-maps", "explainability", "safetensors"],
        "metrics": ["accuracy"],
        "model-index": [{"name": title, "results": [_result(metadata)]}],
    }
    settings, test = metadata.hyperparameters["settings"], metadata.metrics["test"]
    text = _templates.get_template("model_card.md.jinja").render(
        name=title,
        file=file,
        data=metadata,
        ours=ours,
        test=test,
        classes=EXPRESSIONS,
        minor=metadata.minor_classes,
        faces=sum(metadata.training_counts.values()),
        settings=", ".join(f"{key} {value}" for key, value in settings.items()),
        by_expression=test["intervals"].get("per_class") or {},  # earlier runs did not record it
        estimate=_estimate,
    )
    return _front_matter(header) + text


def _result(metadata: CheckpointMetadata) -> dict[str, Any]:
    """The test split's accuracies as an entry of ``model-index``, as fractions in 0..1."""
    test = metadata.metrics["test"]
    measured_by = {"revision": metadata.revision}
    return {
        "task": {"type": "image-classification", "name": "Facial expression recognition"},
        "dataset": {
            "type": metadata.dataset,
            "name": "FERPlus",
            "config": metadata.imbalance,
            "split": "test",
            "args": {"faces": test["faces"]},
        },
        "metrics": [
            {"type": "accuracy", "name": "Overall accuracy", "value": test["overall"], "args": measured_by},
            {
                "type": "balanced_accuracy",
                "name": "Mean accuracy over the classes",
                "value": test["mean"],
                "args": dict(measured_by),  # a copy, where YAML would write an alias
            },
        ],
    }


def _estimate(fraction: float, interval: Sequence[float] | None) -> str:
    """In per cent, with its interval where there is one."""
    return f"{100 * fraction:.2f}" + (f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]" if interval else "")


def _front_matter(header: dict[str, Any]) -> str:
    return f"---\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True, width=1000)}---\n\n"


if __name__ == "__main__":
    shutil.rmtree(OUT, ignore_errors=True)
    write_space(OUT / "space")
    write_models(OUT / "models")
    print(f"{OUT.relative_to(ROOT)}: nothing has been sent; docs/service.md says how to")
