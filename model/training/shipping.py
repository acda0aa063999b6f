"""From a trained classifier to a shipped file: metadata, manifest, and the generated ``checkpoints/README.md``."""

from __future__ import annotations

from pathlib import Path

from model.checkpoints import CheckpointMetadata, Manifest, ManifestEntry, read_checkpoint
from model.classifier import ExpressionClassifier
from model.errors import InputError
from model.files.atomic_write import replace_file
from model.files.folder_lock import folder_lock
from model.measuring.results import RESULTS_FOLDER
from model.reference import golden_logits, load_checkpoint, save_checkpoint

MANIFEST_FILE = "manifest.json"
README_FILE = "README.md"
OURS = ("mek", "mek_sf", "cac")  # methods that are forms of the paper's; `ours` is their best checkpoint on the validation split


def shipping_folder(results: Path) -> Path:
    """The folder of the checkpoints whose results are in ``results``, or in a folder of it for one protocol; its manifest and README are
    replaced when one ships.

    Raises:
        InputError: the folder above the results does not look like one of checkpoints, so its README may be anybody's.
    """
    found = next((folder for folder in (results, results.parent) if folder.name == RESULTS_FOLDER), None)
    if found is None:
        raise InputError(
            f"checkpoints ship into the folder above --results, whose name must be {RESULTS_FOLDER}, as in mine/{RESULTS_FOLDER}"
        )
    if (found.parent / README_FILE).exists() and not (found.parent / MANIFEST_FILE).exists():
        raise InputError(f"{found.parent / README_FILE} is not that of checkpoints and would be replaced: choose another --results")
    return found.parent


def checkpoint_path(directory: Path, method: str) -> Path:
    """Where a method's checkpoint ships."""
    return directory / f"{method}.safetensors"


def refuse_strangers(directory: Path) -> None:
    """Refuse a directory with a checkpoint that cannot stand in its manifest, before hours of training.

    Raises:
        CheckpointError: a file is damaged, or not of a run of this project.
        InputError: one has no accuracies on a validation split, by which ``ours`` is chosen.
    """
    for path in sorted(directory.glob("*.safetensors")):
        if read_checkpoint(path).metadata.metrics.get("valid") is None:
            raise InputError(f"{path} has no accuracies on a validation split, by which ours is chosen: move it to another folder")


def ship_checkpoint(directory: Path, classifier: ExpressionClassifier, metadata: CheckpointMetadata) -> None:
    """Put a checkpoint under its method's name into a directory and renew the manifest; waits for another run that does so.

    Raises:
        CheckpointError: a file of the directory is damaged; what ships has not been replaced.
        InputError: as :func:`refuse_strangers`.
    """
    with folder_lock(directory, wait=True):
        refuse_strangers(directory)
        save_checkpoint(checkpoint_path(directory, metadata.method), classifier, metadata)
        renew_manifest(directory)


def renew_manifest(directory: Path) -> Manifest | None:
    """Record hash and golden logits of each checkpoint of a directory, point ``ours`` at the best form of MEK, write both files.

    Best means the highest average of overall and mean accuracy on the validation split, as the metadata has them. While no such form
    is there, nothing can be served: then no manifest is written and None returned.

    Raises:
        CheckpointError: a file is damaged.
    """
    loaded = [load_checkpoint(path) for path in sorted(directory.glob("*.safetensors"))]
    entries = {
        checkpoint.name: ManifestEntry(
            file=f"{checkpoint.name}.safetensors",
            sha256=checkpoint.sha256,
            golden_logits=tuple(golden_logits(checkpoint.classifier, checkpoint.metadata.input_size).tolist()),
        )
        for checkpoint in loaded
    }
    metadata = {checkpoint.name: checkpoint.metadata for checkpoint in loaded}
    forms = {name: _valid_score(data) for name, data in metadata.items() if data.method in OURS}
    if not forms:
        return None
    manifest = Manifest(ours=max(forms, key=lambda name: forms[name]), checkpoints=entries)
    replace_file(directory / MANIFEST_FILE, f"{manifest.model_dump_json(indent=2)}\n".encode())
    replace_file(directory / README_FILE, _readme(manifest, metadata).encode())
    return manifest


def _valid_score(metadata: CheckpointMetadata) -> float:
    valid = metadata.metrics["valid"]
    return float(valid["overall"] + valid["mean"]) / 2


def _readme(manifest: Manifest, metadata: dict[str, CheckpointMetadata]) -> str:
    lines = [
        "# Checkpoints",
        "",
        "Generated from the files' own metadata by `unturned train --ship`; do not edit.",
        "",
        f"`ours` stands for `{manifest.ours}`: of the checkpoints of MEK and the forms made of it here, the one with the",
        "highest average of overall and mean accuracy on validation, however many epochs each had.",
        "",
        "Accuracies in per cent, last epoch, overall / mean over the seven classes. Flip consistency: mean Pearson correlation of a map",
        "and its mirror counterpart over all classes and faces of the test split.",
        "",
        "| checkpoint | network | input | maps | epochs | seed | valid | test | flip consistency | settings | revision |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, data in metadata.items():
        valid, test = data.metrics["valid"], data.metrics["test"]
        side = data.grid.cells
        settings = ", ".join(f"{key} {value}" for key, value in data.hyperparameters["settings"].items()) or "none"
        if teachers := data.hyperparameters.get("teachers"):
            settings += f"; teachers {', '.join(teachers)}"
        accuracies = " | ".join(f"{100 * split['overall']:.2f} / {100 * split['mean']:.2f}" for split in (valid, test))
        lines.append(
            f"| {name} | {data.network} | {data.input_size} px | {side}x{side} | {data.epochs} | {data.seed} | {accuracies} "
            f"| {test['flip_consistency']['mean']:.3f} | {settings} | `{data.revision[:10]}` |"
        )
    return "\n".join([*lines, ""])
