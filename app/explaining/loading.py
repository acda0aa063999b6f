"""What is read from disk once: checkpoints and the face detector; torch is imported when called, so that the service answers first."""

from __future__ import annotations

import os
import resource
import tempfile
from dataclasses import replace
from typing import TYPE_CHECKING

from app.errors import CannotStartError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.detection.detector import FaceDetector
    from app.explaining.explainer import Explainer, Predictor
    from app.settings import Settings
    from model.checkpoints import Checkpoint

SHARED_MEMORY = "/dev/shm"  # noqa: S108 - for empty folders
ADDRESS_SPACE_BYTES = 4 << 30  # mapped, of which a sixth is used: most is the libraries' and the threads'


def load_explainer(settings: Settings) -> Explainer:
    """The checkpoints of the manifest, each checked against it, and the extra ones the settings name.

    Raises:
        CheckpointError: one of them cannot be used; the message names the file and the reason.
    """
    have_temporary_folder()
    import torch

    from app.explaining.explainer import Explainer
    from model.checkpoints import CheckpointError, load_checkpoint, load_manifest

    torch.set_num_threads(settings.compute_threads)
    manifest = load_manifest(settings.checkpoint_dir)
    checkpoints: dict[str, Checkpoint] = {
        # under the manifest's names: two files in different folders may have one
        name: replace(load_checkpoint(settings.checkpoint_dir / entry.file, entry), name=name)
        for name, entry in manifest.checkpoints.items()
    }
    for path in settings.extra_checkpoints:
        if path.stem in checkpoints:
            raise CheckpointError(f"{path}: there is a checkpoint named {path.stem} already")
        checkpoints[path.stem] = load_checkpoint(path)
    return Explainer(checkpoints, manifest.ours, _exported(settings, checkpoints.values()))


def _exported(settings: Settings, checkpoints: Iterable[Checkpoint]) -> dict[str, Predictor]:
    """What runs in ONNX Runtime: the checkpoints with an exported graph in the folder the settings name."""
    if settings.onnx_dir is None:
        return {}
    from model.checkpoints import CheckpointError
    from model.onnx.classifier import OnnxClassifier

    found: dict[str, Predictor] = {}
    for checkpoint in checkpoints:
        path = settings.onnx_dir / f"{checkpoint.name}.onnx"
        if path.is_file():
            found[checkpoint.name] = OnnxClassifier(path, checkpoint, settings.compute_threads)
    if not found:
        raise CheckpointError(f"{settings.onnx_dir}: holds no NAME.onnx of a checkpoint: make them with unturned export")
    return found


def load_detector(settings: Settings) -> FaceDetector:
    """YuNet where the settings name its file, else MTCNN."""
    import cv2

    from app.detection.find import create_detector

    cv2.setNumThreads(settings.compute_threads)  # a thread for each core, in every slot, would only get in the others' way
    return create_detector(settings.yunet_path)


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
