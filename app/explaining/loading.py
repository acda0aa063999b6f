"""What is read from disk once: checkpoints and the face detector; libraries are imported when called, so that the service answers first."""

from __future__ import annotations

import os
import resource
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from app.choices import COMPARED, OURS
from app.errors import CannotStartError
from app.installation import extra_command
from app.priority import give_way

if TYPE_CHECKING:
    from pathlib import Path

    from app.detection.detector import FaceDetector
    from app.explaining.explainer import Explainer
    from app.settings import Settings
    from model.checkpoints import ManifestEntry, StoredCheckpoint
    from model.importing.metadata import AnyCheckpoint
    from model.predictor import Predictor

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - for empty folders
LOADERS = 2  # checkpoints read at a time: what a runtime does with each leaves Python free
ADDRESS_SPACE_BYTES = 2 << 30  # mapped: with the shipped checkpoints half of it is, and 0.75 GiB are used; the rest is for large pictures


def load_explainer(settings: Settings) -> Explainer:
    """The checkpoints of the manifest, each checked against it, and the extra and imported ones the settings name.

    Raises:
        CheckpointError: one of them cannot be used; the message names the file and the reason.
    """
    have_temporary_folder()
    from app.explaining.explainer import Explainer

    wanted, ours = checkpoint_files(settings)
    with ThreadPoolExecutor(LOADERS, initializer=give_way) as loaders:
        found = loaders.map(lambda file: load_file(file[0], file[1], settings.compute_threads), wanted.values())
        loaded = dict(zip(wanted, found, strict=True))
    checkpoints = {name: replace(checkpoint, name=name) for name, (checkpoint, _) in loaded.items()}
    return Explainer(checkpoints, ours, {name: predictor for name, (_, predictor) in loaded.items()})


def checkpoint_files(settings: Settings) -> tuple[dict[str, tuple[Path, ManifestEntry | None]], str]:
    """The files of all checkpoints by their names, with what the manifest says of each of its own; and the name of ``ours``.

    Raises:
        CheckpointError: the manifest cannot be used, or two files have one name.
    """
    from model.checkpoints import CheckpointError, load_manifest

    manifest = load_manifest(settings.checkpoint_dir)
    # under the manifest's names: two files in different folders may have one
    wanted: dict[str, tuple[Path, ManifestEntry | None]] = {
        name: (settings.checkpoint_dir / entry.file, entry) for name, entry in manifest.checkpoints.items()
    }
    imported = () if settings.models is None else sorted(settings.models.glob("*.safetensors"))
    for path in (*settings.extra_checkpoints, *imported):
        if path.stem == OURS:
            raise CheckpointError(f"{path}: {OURS} stands for the manifest's {manifest.ours}: rename the file")
        if path.stem in wanted:
            raise CheckpointError(f"{path}: there is a checkpoint named {path.stem} already: rename the file")
        wanted[path.stem] = (path, None)
    return wanted, manifest.ours


def load_served_explainer(settings: Settings) -> Explainer:
    """The same for a service, whose pages and API compare ``COMPARED`` where a request names no models.

    Raises:
        CheckpointError: one of them cannot be used; the message names the file and the reason.
        CannotStartError: one of ``COMPARED`` is not among them.
    """
    explainer = load_explainer(settings)
    for name in COMPARED:
        if explainer.find(name) is None:
            reason = f"{settings.checkpoint_dir}: there is no checkpoint {name}, which pages and API compare with"
            raise CannotStartError(f"{reason}: ship one there, or name a {name}.safetensors in UNTURNED_EXTRA_CHECKPOINTS")
    return explainer


def load_file(path: Path, entry: ManifestEntry | None, threads: int) -> tuple[AnyCheckpoint, Predictor]:
    """A checkpoint and what runs it: ONNX Runtime, or PyTorch where its network has no graph here."""
    from model.checkpoints import Checkpoint, check_golden, golden_image, read_checkpoint
    from model.importing.metadata import is_import
    from model.onnx.graphs import find_graph
    from model.onnx.predictor import OnnxPredictor

    if entry is None and is_import(path):
        return _imported(path, threads)
    stored = read_checkpoint(path, entry)
    graph = find_graph(stored.metadata)
    predictor = _in_pytorch(stored, threads) if graph is None else OnnxPredictor(stored, graph, threads)
    if entry is not None:
        check_golden(path, predictor(golden_image()).logits[0], entry)
    return Checkpoint(stored.name, stored.metadata, stored.sha256), predictor


def _imported(path: Path, threads: int) -> tuple[AnyCheckpoint, Predictor]:
    _prepare_pytorch(path, threads)
    from model.importing.imported import ImportedModel, load_model
    from model.importing.metadata import ImportedCheckpoint
    from model.importing.predictor import ImportedPredictor

    model = load_model(path)
    assert isinstance(model, ImportedModel)
    return ImportedCheckpoint(model.name, model.metadata, model.sha256), ImportedPredictor(model)


def _in_pytorch(stored: StoredCheckpoint, threads: int) -> Predictor:
    _prepare_pytorch(stored.path, threads)
    from model.reference import ReferencePredictor, build_classifier

    return ReferencePredictor(build_classifier(stored), stored.metadata.input_size)


def _prepare_pytorch(path: Path, threads: int) -> None:
    """For a model that no ONNX graph of this package runs.

    Raises:
        CheckpointError: PyTorch is not installed.
    """
    try:
        import torch
    except ModuleNotFoundError as error:
        from model.checkpoints import CheckpointError

        raise CheckpointError(f"{path}: this model runs in PyTorch, which is not installed: {extra_command('torch')}") from error
    torch.set_num_threads(threads)


def load_detector(settings: Settings) -> FaceDetector:
    """YuNet where the settings name its file, else MTCNN."""
    import cv2

    from app.detection.find import create_detector

    cv2.setNumThreads(settings.compute_threads)  # a thread for each core, in every slot, would only get in the others' way
    return create_detector(settings.yunet_path, settings.smallest_face)


def have_temporary_folder() -> None:
    """Call it before Matplotlib or PyTorch is imported, which look for one; a read-only container may have nothing but shared memory.

    Raises:
        CannotStartError: no folder can be written to.
    """
    try:
        tempfile.gettempdir()
    except FileNotFoundError:
        if not os.access(SHARED_MEMORY, os.W_OK):
            needed = "mount one at /tmp, or name one in TMPDIR; it stays all but empty"
            raise CannotStartError(f"Matplotlib and PyTorch need a folder that can be written to, and there is none: {needed}") from None
        tempfile.tempdir = SHARED_MEMORY


def too_little_address_space() -> str | None:
    """What is needed where the process may not map enough memory, whose want shows as whatever library fails first; else None."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_AS)
    if allowed == resource.RLIM_INFINITY or allowed >= ADDRESS_SPACE_BYTES:
        return None
    needed = f"it needs some {ADDRESS_SPACE_BYTES >> 20}: raise or lift the limit (ulimit -v)"
    return f"the service may use {allowed >> 20} MiB of address space, and {needed}"
