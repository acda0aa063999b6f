"""A checkpoint as an ONNX graph with logits and attention maps as outputs, for runtimes without PyTorch."""

from __future__ import annotations

from pathlib import Path

import torch

from model.checkpoints import Checkpoint

INPUT_NAME = "images"
OUTPUT_NAMES = ("logits", "maps")
METADATA_KEY = "unturned"
SHA256_KEY = "sha256"
OPSET = 18


def export_onnx(checkpoint: Checkpoint, path: Path) -> None:
    """Write a checkpoint as one self-contained ONNX file (float32, batch of any size).

    Input ``images``: ``(N, 3, S, S)`` float32 RGB in 0..255, as :func:`model.preprocessing.network_input` makes it. Outputs ``logits``
    ``(N, 7)`` and ``maps`` ``(N, 7, h, w)`` in the trained gauge, where the logits are the maps' spatial means plus the bias; subtract the
    mean over the classes from both for the form the service answers with. The checkpoint's metadata is kept as JSON under ``unturned``, its
    hash under ``sha256``.

    Raises:
        OSError: the file cannot be written; nothing is left behind.
    """
    size = checkpoint.metadata.input_size
    program = torch.onnx.export(
        checkpoint.classifier,
        (torch.zeros(2, 3, size, size),),
        dynamo=True,
        verbose=False,
        input_names=[INPUT_NAME],
        output_names=list(OUTPUT_NAMES),
        dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
        opset_version=OPSET,
    )
    assert program is not None  # it is only without dynamo
    program.model.metadata_props[METADATA_KEY] = checkpoint.metadata.model_dump_json()
    program.model.metadata_props[SHA256_KEY] = checkpoint.sha256
    temporary = path.with_name(f"{path.name}.partial")
    try:
        program.save(temporary, external_data=False)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
