"""A classifier of somebody else's making, to import: ResNet-18 as torchvision or timm defines it, trained on FERPlus from random weights.

    python -m benchmarks.train_demo demo.pth --data ferplus.zip
    unturned import demo.pth --recipe torchvision --name demo --size 97 --probe ferplus.zip --accuracy SHARE --out models
    unturned certify models/demo.safetensors --data ferplus.zip

It is saved as their users save theirs, a dict of tensors from ``torch.save``, its classes in RAF-DB's order. Of this project are the faces
and their augmentation alone. SHARE is what this program prints.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import AdamW
from torch.optim.lr_scheduler import OneCycleLR
from tqdm import tqdm

from model.data.augment import Augmentation
from model.data.faces import FaceSet
from model.data.ferplus import load_ferplus
from model.data.rafdb import RAF_ORDER
from model.expressions import EXPRESSIONS
from model.importing.recipes import IMAGENET
from model.preprocessing import network_input
from model.training.processes import native_precision

BATCH = 64
PEAK_RATE = 2e-3
WEIGHT_DECAY = 0.05
ROWS = torch.tensor([RAF_ORDER.index(name) for name in EXPRESSIONS])  # of the classifier, by this project's order
MEAN, STD = (torch.tensor(values).view(1, 3, 1, 1) for values in IMAGENET)


def resnet18(library: str) -> nn.Module:
    """The network with random weights and seven classes; ``library`` is torchvision or timm."""
    made: nn.Module
    if library == "timm":
        import timm

        made = timm.create_model("resnet18", pretrained=False, num_classes=len(RAF_ORDER))
    else:
        from torchvision import models

        made = models.resnet18(weights=None, num_classes=len(RAF_ORDER))
    return made


def normalised(images: Tensor) -> Tensor:
    """Images ``(N, 3, S, S)`` in 0..255 as ImageNet's, channels last."""
    return ((images / 255 - MEAN) / STD).contiguous(memory_format=torch.channels_last)


def train(network: nn.Module, faces: FaceSet, size: int, epochs: int) -> None:
    """Cross-entropy on augmented faces, with one cycle of the learning rate."""
    augment, steps = Augmentation(size), epochs * (len(faces) // BATCH)
    optimizer = AdamW(network.parameters(), weight_decay=WEIGHT_DECAY)
    schedule = OneCycleLR(optimizer, PEAK_RATE, total_steps=steps)
    shuffled = torch.cat([torch.randperm(len(faces))[: len(faces) // BATCH * BATCH] for _ in range(epochs)])
    network.train().to(memory_format=torch.channels_last)
    for chosen in tqdm(shuffled.view(steps, BATCH), "training", unit="step", mininterval=5):
        with torch.autocast("cpu", torch.bfloat16, enabled=native_precision() == "bf16-mixed"):
            logits = network(normalised(augment(faces.images[chosen])))
        loss = F.cross_entropy(logits.float(), ROWS[faces.labels[chosen]])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()


@torch.inference_mode()
def accuracy(network: nn.Module, faces: FaceSet, size: int) -> float:
    """Share of the faces named rightly."""
    network.eval()
    rows = [network(normalised(network_input(part, size))).argmax(1) for part in torch.split(faces.images, BATCH)]
    return float((torch.cat(rows) == ROWS[faces.labels]).float().mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="file to write")
    parser.add_argument("--data", type=Path, required=True, help="FERPlus, folder or zip")
    parser.add_argument("--library", choices=("torchvision", "timm"), default="torchvision", help="whose ResNet-18 [%(default)s]")
    parser.add_argument("--size", type=int, default=97, help="side of the input, pixels [%(default)s]")
    parser.add_argument("--epochs", type=int, default=1, help="passes over the training faces [%(default)s]")
    parser.add_argument("--faces", type=int, default=None, help="only so many training faces, drawn at random [all]")
    parser.add_argument("--threads", type=int, default=2, help="torch threads [%(default)s]")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(1)
    faces, test = (load_ferplus(arguments.data, split).labelled() for split in ("train", "test"))
    faces = faces.subset(torch.randperm(len(faces))[: arguments.faces])
    network, start = resnet18(arguments.library), time.perf_counter()
    train(network, faces, arguments.size, arguments.epochs)
    print(f"{len(faces)} faces, {arguments.epochs} epochs at {arguments.size} pixels: {time.perf_counter() - start:.0f} s")
    torch.save(network.state_dict(), arguments.out)
    print(f"{arguments.out}: {accuracy(network, test, arguments.size):.4f} of the {len(test)} test faces are named rightly")


if __name__ == "__main__":
    main()
