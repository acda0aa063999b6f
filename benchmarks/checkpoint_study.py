"""What the studies of trained checkpoints on FERPlus share: their command line, and the faces they are made on."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

from model.data.faces import FaceSet
from model.data.labelled import load_labelled_faces

Study = Callable[[str, Path, dict[str, FaceSet]], None]  # of a checkpoint's name, its file, and the faces of each split


def study_checkpoints(description: str | None, splits: Sequence[str], study: Study) -> None:
    """Make a study of each checkpoint that the command line names, one after the other."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="ferplus.zip, or the folder it holds")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="their folder [%(default)s]")
    parser.add_argument("models", nargs="+", help="names of checkpoints with a pooled head")
    arguments = parser.parse_args()
    faces = {split: load_labelled_faces("ferplus", arguments.data, split) for split in splits}
    for name in arguments.models:
        study(name, arguments.checkpoints / f"{name}.safetensors", faces)
