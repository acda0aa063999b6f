"""Out-of-sample probabilities for faces that the audited networks were trained on: K folds, each judged by a classifier of the others.

Training K networks takes hours, so each fold's classifier is logistic regression on features that never saw these labels: those of dlib's
face-recognition network, which tells people apart (CC0; the training extra brings it). It names fewer faces right than a trained network,
but what it says of a face owes nothing to that face's label.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from model.errors import InputError
from model.expressions import EXPRESSIONS
from model.findings.confident_learning import Floats, Labels
from model.networks.backbone import prepare_for_inference
from model.networks.dlib_resnet import DlibResNet
from model.networks.dlib_weights import find_weights, load_dlib_weights, read_layers
from model.preprocessing import network_input

INPUT_SIZE = 115  # pixels
POOLED = 3  # cells a side: where in the face something is matters to an expression
PENALTY = 0.1  # on the squared weights, beside the mean loss of a face
STEPS = 60  # of L-BFGS; the loss no longer moves
BATCH = 64
_STANDARDISED_AT_ONCE = 64  # features; NumPy makes a copy of what it takes the deviation of
_FOLD_SEED = 20231030


class FrozenFeatures:
    """dlib's face-recognition network as it ships."""

    def __init__(self) -> None:
        """Read the weights.

        Raises:
            InputError: the training extra is not installed.
        """
        self._network = DlibResNet()
        load_dlib_weights(self._network, read_layers(find_weights().read_bytes()))
        self._network.eval()
        prepare_for_inference(self._network)

    @property
    def size(self) -> int:
        """How many features a face has."""
        return self._network.channels * POOLED**2

    @torch.inference_mode()
    def of(self, faces: NDArray[np.uint8]) -> NDArray[np.float32]:
        """The last feature map of faces ``(N, 48, 48)``, averaged to 3x3 cells: ``(N, 2304)``."""
        parts = [
            F.adaptive_avg_pool2d(self._network(network_input(part, INPUT_SIZE)), POOLED).flatten(1)
            for part in torch.split(torch.from_numpy(faces), BATCH)
        ]
        return np.asarray(torch.cat(parts).numpy())


def folds_of(identities: Sequence[object], count: int) -> Labels:
    """The fold of each face, ``(N,)``: random, with nearly as many identities each, and the same for faces of one identity.

    Args:
        identities: of each face, the same for copies, also for near ones: a copy in another fold teaches the label that is to be judged.

    Raises:
        InputError: fewer than two folds, or more folds than identities.
    """
    order = {identity: number for number, identity in enumerate(dict.fromkeys(identities))}
    if not 2 <= count <= len(order):
        raise InputError(
            f"--cross-fit: {count} folds of {len(order)} different labelled faces; choose from 2 to as many as there are of these"
        )
    dealt = np.random.default_rng(_FOLD_SEED).permutation(len(order)) % count
    return np.array([dealt[order[identity]] for identity in identities], dtype=np.int64)


def cross_fitted(features: NDArray[np.float32], labels: Labels, folds: Labels) -> Floats:
    """Probabilities ``(N, L)`` of every face from the classifier of the other folds.

    Args:
        features: ``(N, D)``.
        labels: ``(N,)``.
        folds: ``(N,)``.
    """
    probabilities = np.empty((len(labels), len(EXPRESSIONS)))
    for fold in np.unique(folds):
        held_out = folds == fold
        probabilities[held_out] = _judged(features[~held_out], labels[~held_out], features[held_out])
    return probabilities


def _judged(features: NDArray[np.float32], labels: Labels, unseen: NDArray[np.float32]) -> Floats:
    """Probabilities that logistic regression on faces and labels gives unseen faces; ``features`` are standardised in their place."""
    mean = features.mean(0)
    starts = range(0, features.shape[1], _STANDARDISED_AT_ONCE)
    scale = np.concatenate([features[:, start : start + _STANDARDISED_AT_ONCE].std(0) for start in starts]) + 1e-6
    features -= mean
    features /= scale
    weight, bias = _fit(torch.from_numpy(features), torch.from_numpy(labels))
    logits = torch.from_numpy((unseen - mean) / scale) @ weight.T + bias
    return np.asarray(logits.double().softmax(1).numpy())


def _fit(features: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    weight = torch.zeros(len(EXPRESSIONS), features.shape[1], requires_grad=True)
    bias = torch.zeros(len(EXPRESSIONS), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(features @ weight.T + bias, labels) + PENALTY * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def features_of(parts: Iterable[NDArray[np.uint8]], faces: int) -> NDArray[np.float32]:
    """The frozen features of ``faces`` faces that come part by part, each ``(N, 48, 48)``."""
    network, start = FrozenFeatures(), 0
    features = np.empty((faces, network.size), dtype=np.float32)
    for part in parts:
        features[start : start + len(part)] = network.of(part)
        start += len(part)
    return features
