"""What trained networks say of the training faces: the targets of distillation (Hinton, Vinyals and Dean, 2015).

A face's target is the mean over the teachers of the probabilities each gives the face and its mirror image, so it is the same for both.
A teacher that was trained with adjusted logits (Menon et al., ICLR 2021) is heard as its own loss heard it: with the prior put back.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

from model.checkpoints import Checkpoint
from model.data.faces import FaceSet
from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.files.atomic_write import replace_file
from model.measuring.evaluation import EVALUATION_BATCH
from model.methods.base import log_prior
from model.preprocessing import network_input
from model.reference import ReferenceCheckpoint, load_checkpoint

logger = logging.getLogger(__name__)

TEACHING_FILE = "teaching.safetensors"


def load_teachers(files: Sequence[str], dataset: str, imbalance: str) -> list[ReferenceCheckpoint]:
    """The checkpoints that teach a run on a dataset under an imbalance protocol; one that was shown other faces is warned of.

    Raises:
        CheckpointError: a file cannot be used.
        InputError: two have one name, by which a result tells them apart.
    """
    teachers = [load_checkpoint(Path(file)) for file in files]
    names = [teacher.name for teacher in teachers]
    for name in names:
        if names.count(name) > 1:
            raise InputError(f"two of --teachers are called {name}: a result tells them apart by the file's name, so rename one")
    for name, known in ((teacher.name, teacher.metadata) for teacher in teachers):
        if (known.dataset, known.imbalance) != (dataset, imbalance):
            logger.warning("teacher %s learnt from other faces (%s, imbalance %s): so will the run", name, known.dataset, known.imbalance)
    return teachers


def digests(teachers: Sequence[Checkpoint]) -> dict[str, str]:
    """Teachers' sha256 by name, as a result records them."""
    return {teacher.name: teacher.sha256 for teacher in teachers}


def teach(teachers: Sequence[ReferenceCheckpoint], faces: FaceSet, kept: Path, fabric: Fabric, precision: str) -> Tensor | None:
    """Log-probabilities ``(T, L)`` of the training faces; None without a teacher.

    Args:
        kept: file of the answers. A run that goes on takes them from there: computed on another processor they might differ in their
            last bits.
        precision: the arithmetic's name, which is ``fabric``'s.

    Raises:
        InputError: what is kept is of another run, which could not go on without it.
    """
    if not teachers:
        return None
    of = {"teachers": digests(teachers), "faces": faces.digest(), "precision": precision}
    if fabric.is_global_zero and _read(kept, of) is None:
        answers = torch.stack([_two_views(teacher, faces, fabric) for teacher in teachers]).mean(0).log()
        replace_file(kept, save({"answers": answers}, {"of": json.dumps(of)}))
    fabric.barrier()  # other processes read what the first has written
    return _read(kept, of)


def digest(answers: Tensor | None) -> str | None:
    """sha256 (hex) of a run's answers: what two sittings of it have in common."""
    return None if answers is None else hashlib.sha256(answers.numpy().tobytes()).hexdigest()


@torch.inference_mode()
def _two_views(teacher: ReferenceCheckpoint, faces: FaceSet, fabric: Fabric) -> Tensor:
    """Mean probabilities ``(T, L)`` of every face and its mirror image."""
    classifier, metadata = fabric.to_device(teacher.classifier.eval()), teacher.metadata
    adjustment = metadata.hyperparameters.get("settings", {}).get("adjustment", 0.0)
    prior = adjustment * log_prior(tuple(metadata.training_counts[name] for name in EXPRESSIONS))
    parts = []
    for part in tqdm(torch.split(faces.images, EVALUATION_BATCH), f"what {teacher.name} says", leave=False, disable=None):
        images = fabric.to_device(network_input(part, metadata.input_size))
        with fabric.autocast():
            views = [classifier(view).logits.float().cpu() for view in (images, images.flip(-1))]
        parts.append(torch.stack([(logits + prior).softmax(1) for logits in views]).mean(0))
    return torch.cat(parts).clone()


def _read(path: Path, of: Mapping[str, object]) -> Tensor | None:
    """The answers kept of these very teachers and faces; None where there are none, or the file is damaged."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, "pt") as kept:
            answers: Tensor = kept.get_tensor("answers").clone()  # the file is mapped
            kept_of: dict[str, object] = json.loads(kept.metadata()["of"])
    except (SafetensorError, KeyError, TypeError, ValueError):
        return None
    differing = ", ".join(name for name, value in of.items() if kept_of.get(name) != value)
    if differing:
        raise InputError(f"{path} is of a run that differs in {differing}: choose another --out, or delete {path.parent} to start again")
    return answers
