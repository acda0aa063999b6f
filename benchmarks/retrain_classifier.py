"""Classifier retraining (Kang et al., ICLR 2020): a trained network kept, its linear head learnt anew on draws that favour rare classes.

    python -m benchmarks.retrain_classifier --data datasets/ferplus.zip baseline cac

Faces of class l are drawn as often as ``1 / n_l^q`` says: q = 0 draws faces alike, q = 1 classes alike. Printed is the curve of overall
against mean accuracy that the heads of q = 0, .1 ... 1 give, beside the curve of the trained head with tau times the log prior taken out.
The expected loss over such draws is minimised, so there is no draw to seed. The weight of the penalty is the one of `PENALTIES` with the
best average gain on the validation split.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.checkpoint_study import study_checkpoints
from model.classifier import ExpressionClassifier, PooledHead
from model.data.faces import FaceSet
from model.measuring.evaluation import EVALUATION_BATCH, FRONTIER, accuracies
from model.measuring.frontier import FrontierGain, frontier_gain
from model.measuring.results import FrontierPoint
from model.methods.base import log_prior
from model.preprocessing import network_input
from model.reference import load_checkpoint

SPLITS = ("train", "valid", "test")
PENALTIES = (1e-4, 1e-3, 1e-2)  # on the squared weights, beside the mean loss of a draw
STEPS = 100  # of L-BFGS
Curve = list[FrontierPoint]


@torch.inference_mode()
def pooled_features(classifier: ExpressionClassifier, faces: FaceSet, input_size: int) -> Tensor:
    """Features ``(N, C)``, averaged over the cells."""
    parts = torch.split(faces.images, EVALUATION_BATCH)
    return torch.cat([classifier.network(network_input(part, input_size)).mean((2, 3)) for part in parts]).clone()


def retrained_head(features: Tensor, labels: Tensor, weights: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Weight ``(L, C)`` and bias ``(L,)`` of the logistic regression in which a face of class l counts ``weights[l]`` times."""
    weight = torch.zeros(len(weights), features.shape[1], requires_grad=True)
    bias = torch.zeros(len(weights), requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def loss() -> Tensor:
        optimizer.zero_grad()
        value = F.cross_entropy(features @ weight.T + bias, labels, weights) + penalty * weight.square().sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[no-untyped-call]
    return weight.detach(), bias.detach()


def point(step: float, logits: Tensor, labels: Tensor) -> FrontierPoint:
    found = accuracies(logits.argmax(1), labels)
    return FrontierPoint(tau=step, overall=found["overall"], mean=found["mean"])


def study(name: str, path: Path, faces: dict[str, FaceSet]) -> None:
    """Print both curves of one checkpoint."""
    checkpoint = load_checkpoint(path)
    head = checkpoint.classifier.head
    assert isinstance(head, PooledHead)
    features = {split: pooled_features(checkpoint.classifier, faces[split], checkpoint.metadata.input_size) for split in SPLITS}
    scale = features["train"].std(0) + 1e-6
    counts = faces["train"].counts()
    prior = log_prior(counts)
    trained = {
        split: [point(tau, features[split] @ head.weight.T + head.bias - tau * prior, faces[split].labels) for tau in FRONTIER]
        for split in ("valid", "test")
    }
    retrained: dict[float, dict[str, Curve]] = {penalty: {"valid": [], "test": []} for penalty in PENALTIES}
    for penalty, curves in retrained.items():
        for power in FRONTIER:
            weights = torch.tensor(counts, dtype=torch.float32) ** -power
            weight, bias = retrained_head(features["train"] / scale, faces["train"].labels, weights, penalty)
            for split, curve in curves.items():
                curve.append(point(power, features[split] / scale @ weight.T + bias, faces[split].labels))
    gains = {penalty: frontier_gain(curves["valid"], trained["valid"]) for penalty, curves in retrained.items()}
    best = max(PENALTIES, key=lambda penalty: gain.average if (gain := gains[penalty]) else float("-inf"))
    print_curves(name, best, trained, retrained[best])


def print_curves(name: str, penalty: float, trained: dict[str, Curve], retrained: dict[str, Curve]) -> None:
    shown = (0, 3, 5, 10)
    print(
        f"\n{name}, penalty {penalty:g}\n\n| overall / mean, % | "
        + " | ".join(f"{FRONTIER[step]:g}" for step in shown)
        + " | gain: average, smallest |"
    )
    print("|---|" + "---|" * (len(shown) + 1))
    for split, curve in trained.items():
        gain = frontier_gain(retrained[split], curve)
        for label, points, figures in ((f"trained head, tau, {split}", curve, None), (f"retrained, q, {split}", retrained[split], gain)):
            cells = " | ".join(f"{100 * points[step].overall:.2f} / {100 * points[step].mean:.2f}" for step in shown)
            print(f"| {label} | {cells} | {gain_text(figures)} |")


def gain_text(gain: FrontierGain | None) -> str:
    return "" if gain is None else f"{100 * gain.average:+.2f}, {100 * gain.smallest:+.2f}"


def main() -> None:
    study_checkpoints(__doc__, SPLITS, study)


if __name__ == "__main__":
    main()
