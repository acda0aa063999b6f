"""How large attention maps are before training, here and in a ResNet-18 at 224 px: by what the paper's consistency is to be scaled.

    python -m benchmarks.map_sizes --data datasets/ferplus.zip

The paper's consistency adds up squared gaps between the maps of a face and of its mirror image, so its strength goes with the square of the
maps' size. A fresh linear head has weights that are even in +-1/sqrt(C); averaged over such heads, the squared gap of a map is that of the
features summed over the channels, over 3 C, so no head is drawn. The ResNet-18 is untrained: its BatchNorm, which takes the statistics of
the batch, sets the size of its features whatever its filters are. What pretraining adds to that is not in the figure.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import fmean

import torch
from torch import nn

from model.data.faces import FaceSet
from model.data.labelled import load_labelled_faces
from model.networks.build import build_network
from model.preprocessing import network_input
from model.training.config import TrainingConfig
from model.training.preparing import pretrained_classifier

FACES = 128
PART = 64  # faces a batch
PAPER_INPUT = 224  # pixels
SEEDS = (1, 2, 3)


@torch.inference_mode()
def squared_gap(network: nn.Module, faces: FaceSet, input_size: int) -> float:
    """Mean squared gap of a map and its mirror counterpart, over cells and faces, expected of a fresh head."""
    gaps = []
    for images in torch.split(faces.images, PART):
        pictures = network_input(images, input_size)
        features = network.train()(torch.cat([pictures, pictures.flip(-1)])).float()
        seen, mirrored = features.chunk(2)
        gap = (seen - mirrored.flip(-1)).square().sum(1).mean() / (3 * features.shape[1])
        gaps.append(gap.item())
    return fmean(gaps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder or zip of FERPlus")
    everything = load_labelled_faces("ferplus", parser.parse_args().data, "train")
    faces = everything.subset(torch.linspace(0, len(everything) - 1, FACES).long())
    config = TrainingConfig(method="mek")
    here = squared_gap(pretrained_classifier(config, 1, everything).network, faces, config.input_size)
    print(f"{config.network}, pretrained, {config.input_size} px: {here:.3f}")
    theirs = []
    for seed in SEEDS:
        torch.manual_seed(seed)
        theirs.append(squared_gap(build_network("resnet18"), faces, PAPER_INPUT))
        print(f"resnet18, untrained, seed {seed}, {PAPER_INPUT} px: {theirs[-1]:.3f}", flush=True)
    print(f"the paper's constants times {fmean(theirs) / here:.2f}")


if __name__ == "__main__":
    main()
