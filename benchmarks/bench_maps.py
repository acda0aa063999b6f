"""All seven maps of a face and its mirror image, from two models: this project against pytorch-grad-cam and torchcam on the same networks.

Every contender gets the same two checkpoints and the same batch [face, mirrored face] and must produce 28 maps; the exported graphs, which
enlarge the faces themselves, get their 48x48 grey pixels. Rounds are interleaved, so that a busy moment hits all; the table gives medians
and the ratio to a bare no-grad forward pass of the same batch. pytorch-grad-cam goes back through all weights that ask for gradients, as
those of a network that was just trained do, so it is timed with such a network, and with one whose weights below the last block are frozen.

    python -m benchmarks.bench_maps --rounds 30
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor, nn
from torchcam import methods as torchcam

from benchmarks.timing import interleaved_medians, markdown_table, save
from model.checkpoints import golden_image, read_checkpoint
from model.classifier import ExpressionClassifier
from model.expressions import EXPRESSIONS
from model.onnx.graphs import find_graph
from model.onnx.predictor import OnnxPredictor
from model.predictor import Predictor
from model.preprocessing import network_input
from model.reference import load_checkpoint

BARE = "bare forward, no maps"
CLASSES = range(len(EXPRESSIONS))


class LogitsOnly(nn.Module):
    """The same network and head in the shape that CAM libraries hook: pooled features, then a linear layer."""

    def __init__(self, classifier: ExpressionClassifier) -> None:
        super().__init__()
        self.network = copy.deepcopy(classifier.network)  # served networks are frozen, these libraries need gradients
        self.fc = nn.Linear(classifier.head.weight.shape[1], len(EXPRESSIONS))
        self.fc.weight.data.copy_(classifier.head.weight)
        self.fc.bias.data.copy_(classifier.head.bias)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.network(images).mean((2, 3)))
        return logits


def last_block(model: LogitsOnly) -> nn.Module:
    """The layer whose output the maps are read from."""
    tails = model.network.tails
    assert isinstance(tails, nn.ModuleList)
    return tails[0]


def frozen_below_last_block(model: LogitsOnly) -> LogitsOnly:
    """The backward pass of its maps ends in the last block."""
    model.requires_grad_(False)
    last_block(model).requires_grad_(True)
    return model


def bare_forward(models: Sequence[Callable[[Tensor], object]], batch: Tensor) -> Callable[[], object]:
    @torch.inference_mode()
    def call() -> object:
        return [model(batch) for model in models]

    return call


def serving(path: Path, threads: int) -> Predictor:
    """A checkpoint as the service runs it."""
    stored = read_checkpoint(path)
    graph = find_graph(stored.metadata)
    assert graph is not None
    return OnnxPredictor(stored, graph, threads)


def grad_cam_by_class(models: list[LogitsOnly], batch: Tensor) -> Callable[[], object]:
    def call() -> object:
        maps = []
        for model in models:
            with GradCAM(model, [last_block(model)]) as cam:
                maps += [cam(batch, [ClassifierOutputTarget(index)] * len(batch)) for index in CLASSES]
        return maps

    return call


def grad_cam_repeated_batch(models: list[LogitsOnly], batch: Tensor) -> Callable[[], object]:
    repeated = batch.repeat_interleave(len(EXPRESSIONS), 0)
    targets = [ClassifierOutputTarget(index) for _ in range(len(batch)) for index in CLASSES]

    def call() -> object:
        maps = []
        for model in models:
            with GradCAM(model, [last_block(model)]) as cam:
                maps.append(cam(repeated, targets))
        return maps

    return call


def torchcam_by_class(models: list[LogitsOnly], batch: Tensor) -> Callable[[], object]:
    def call() -> object:
        maps = []
        for model in models:
            with torchcam.GradCAM(model, "network.tails.0") as cam:
                for index in CLASSES:
                    scores = model(batch)
                    maps.append(cam([index] * len(batch), scores))
        return maps

    return call


def torchcam_cam(models: list[LogitsOnly], batch: Tensor) -> Callable[[], object]:
    def call() -> object:
        maps = []
        for model in models:
            with torchcam.CAM(model, "network.tails.0", "fc") as cam, torch.no_grad():
                for index in CLASSES:
                    model(batch)
                    maps.append(cam([index] * len(batch)))
        return maps

    return call


def contenders(paths: Sequence[Path], threads: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name, with checkpoints that share their input size."""
    loaded = [load_checkpoint(path) for path in paths]
    classifiers, served = [checkpoint.classifier for checkpoint in loaded], [serving(path, threads) for path in paths]
    hooked = [LogitsOnly(classifier).eval().requires_grad_(True) for classifier in classifiers]
    frozen = [frozen_below_last_block(LogitsOnly(classifier).eval()) for classifier in classifiers]
    faces = np.concatenate([golden_image(), golden_image()[..., ::-1]])
    face = network_input(torch.from_numpy(golden_image()), loaded[0].metadata.input_size)
    batch = torch.cat([face, face.flip(-1)])
    return {
        BARE: bare_forward(hooked, batch),
        "unturned, 28 maps": bare_forward(classifiers, batch),
        "unturned, 28 maps, ONNX Runtime": lambda: [predictor(faces) for predictor in served],
        "torchcam CAM, class by class": torchcam_cam(hooked, batch),
        "torchcam GradCAM, class by class": torchcam_by_class(hooked, batch),
        "pytorch-grad-cam GradCAM, batch repeated": grad_cam_repeated_batch(hooked, batch),
        "pytorch-grad-cam GradCAM, class by class": grad_cam_by_class(hooked, batch),
        "pytorch-grad-cam GradCAM, batch repeated, frozen below the last block": grad_cam_repeated_batch(frozen, batch),
        "pytorch-grad-cam GradCAM, class by class, frozen below the last block": grad_cam_by_class(frozen, batch),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="interleaved rounds")
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder of the shipped checkpoints")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    paths = [arguments.checkpoints / f"{name}.safetensors" for name in ("baseline", "mek_sf")]
    medians = interleaved_medians(contenders(paths, arguments.threads), arguments.rounds)
    print(markdown_table(medians, BARE))
    setting = {"rounds": arguments.rounds, "threads": arguments.threads}
    save("maps", medians, setting, ["torch", "numpy", "onnxruntime", "grad-cam", "torchcam"])


if __name__ == "__main__":
    main()
