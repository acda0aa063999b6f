"""What a classifier gives for every face of a split, and how good that is: accuracies, average precision, flip consistency."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from sklearn.metrics import average_precision_score
from torch import Tensor, nn
from tqdm import tqdm

from model.classifier import ExpressionClassifier
from model.data.faces import FaceSet
from model.expressions import EXPRESSIONS
from model.measuring.bootstrap import Floats, accuracy_intervals, mean_intervals, mean_with_interval
from model.measuring.mirror import MirrorFigures, SplitOutputs, mirror_figures
from model.measuring.results import (
    Accuracies,
    FlipConsistency,
    FrontierPoint,
    Intervals,
    MirrorMetrics,
    Predictions,
    SplitMetrics,
    TwoViews,
)
from model.methods.base import log_prior
from model.preprocessing import network_input

EVALUATION_BATCH = 128
ADJUSTMENTS = (0.5, 1.0)  # tau of the post-hoc rows: half of the log prior taken out, and all of it
FRONTIER = tuple(step / 10 for step in range(11))  # tau of the exchange of overall for mean accuracy


@torch.inference_mode()
def split_logits(classifier: ExpressionClassifier, faces: FaceSet, input_size: int) -> Tensor:
    """Logits ``(N, L)`` of every face of a split, without mirror images."""
    classifier.eval()
    device = next(classifier.parameters()).device
    parts = [classifier(network_input(part.to(device), input_size)).logits.cpu() for part in torch.split(faces.images, EVALUATION_BATCH)]
    return torch.cat(parts)


@torch.inference_mode()
def split_outputs(
    classifier: nn.Module, prepare: Callable[[Tensor], Tensor], faces: FaceSet, batch: int = EVALUATION_BATCH
) -> SplitOutputs:
    """Logits and trained-gauge maps of every face of a split and of its mirror image.

    Args:
        classifier: from ``(N, 3, S, S)`` to :class:`model.classifier.Prediction`.
        prepare: makes its input of the faces' images.
        batch: faces at a time.
    """
    classifier.eval()
    device = next(classifier.parameters()).device
    seen, mirrored = [], []
    for part in tqdm(torch.split(faces.images, batch), "faces and their mirror images", leave=False, disable=None):
        images = prepare(part.to(device))
        seen.append(classifier(images))
        mirrored.append(classifier(images.flip(-1)))
    return SplitOutputs(
        logits=torch.cat([prediction.logits for prediction in seen]).cpu(),
        maps=torch.cat([prediction.maps for prediction in seen]).cpu(),
        mirrored_maps=torch.cat([prediction.maps for prediction in mirrored]).cpu(),
        mirrored_logits=torch.cat([prediction.logits for prediction in mirrored]).cpu(),
    )


def confusion_matrix(predicted: Tensor, labels: Tensor) -> Tensor:
    """Counts ``(L, L)``: row is the label, column the prediction."""
    classes = len(EXPRESSIONS)
    return torch.bincount(labels * classes + predicted, minlength=classes * classes).view(classes, classes)


def accuracies(predicted: Tensor, labels: Tensor) -> dict[str, Any]:
    """``overall``, ``mean`` (unweighted over the classes) and ``per_class`` accuracy, fractions in 0..1."""
    confusion = confusion_matrix(predicted, labels)
    per_class = confusion.diagonal() / confusion.sum(1)
    return {
        "overall": (predicted == labels).float().mean().item(),
        "mean": per_class.mean().item(),
        "per_class": dict(zip(EXPRESSIONS, per_class.tolist(), strict=True)),
    }


def macro_average_precision(logits: Tensor, labels: Tensor) -> float:
    """Mean over the classes of the average precision of the class's probability, one class against the others."""
    probabilities = logits.softmax(1)
    scores = [average_precision_score(labels == index, probabilities[:, index]) for index in range(len(EXPRESSIONS))]
    return float(sum(scores) / len(scores))


def learning_curve_point(classifier: ExpressionClassifier, faces: FaceSet, input_size: int) -> dict[str, Any]:
    """Accuracies and macro average precision on a split: what the log keeps after every epoch."""
    logits = split_logits(classifier, faces, input_size)
    return accuracies(logits.argmax(1), faces.labels) | {"macro_average_precision": macro_average_precision(logits, faces.labels)}


def split_metrics(outputs: SplitOutputs, labels: Tensor, training_counts: Mapping[str, int] | None) -> SplitMetrics:
    """Everything a result file keeps of a split.

    Args:
        labels: ``(N,)``.
        training_counts: faces a class in the training set, for the rows with the prior taken out of the logits; None, without those rows,
            where they are not known.
    """
    predicted = outputs.logits.argmax(1)
    mirror = mirror_figures(outputs)
    prior = None if training_counts is None else log_prior([training_counts[name] for name in EXPRESSIONS])
    return SplitMetrics(
        **accuracies(predicted, labels),
        faces=len(labels),
        macro_average_precision=macro_average_precision(outputs.logits, labels),
        confusion=tuple(tuple(row) for row in confusion_matrix(predicted, labels).tolist()),
        flip_consistency=_consistency(torch.from_numpy(mirror.consistency)),
        logit_adjusted={} if prior is None else _adjusted(outputs.logits, labels, prior),
        intervals=_intervals(predicted, labels, mirror.consistency),
        mirror=_mirror_metrics(mirror),
        two_views=_two_views(outputs.two_view_logits, labels, prior),
        frontier=() if prior is None else _frontier(outputs.logits, labels, prior),
    )


def split_predictions(outputs: SplitOutputs, labels: Tensor) -> Predictions:
    """Label and prediction of every face of a split, for comparisons face by face."""
    return Predictions(labels="".join(map(str, labels.tolist())), predicted="".join(map(str, outputs.logits.argmax(1).tolist())))


def _consistency(values: Tensor) -> FlipConsistency:
    """Flip consistency ``(N, L)`` averaged over the faces where it is defined."""
    per_class = [column[~column.isnan()] for column in values.T]
    means = [column.mean().item() if len(column) else None for column in per_class]
    defined = [mean for mean in means if mean is not None]
    overall = sum(defined) / len(defined) if defined else None
    return FlipConsistency(mean=overall, per_class=dict(zip(EXPRESSIONS, means, strict=True)))


def _adjusted(logits: Tensor, labels: Tensor, prior: Tensor) -> dict[str, Accuracies]:
    return {f"{tau:g}": Accuracies(**accuracies((logits - tau * prior).argmax(1), labels)) for tau in ADJUSTMENTS}


def _two_views(logits: Tensor, labels: Tensor, prior: Tensor | None) -> TwoViews:
    predicted = logits.argmax(1)
    return TwoViews(
        **accuracies(predicted, labels),
        macro_average_precision=macro_average_precision(logits, labels),
        intervals=_accuracy_intervals(predicted, labels),
        frontier=() if prior is None else _frontier(logits, labels, prior),
    )


def _frontier(logits: Tensor, labels: Tensor, prior: Tensor) -> tuple[FrontierPoint, ...]:
    found = [(tau, accuracies((logits - tau * prior).argmax(1), labels)) for tau in FRONTIER]
    return tuple(FrontierPoint(tau=tau, overall=values["overall"], mean=values["mean"]) for tau, values in found)


def _mirror_metrics(figures: MirrorFigures) -> MirrorMetrics:
    return MirrorMetrics(
        own_symmetry=mean_with_interval(figures.own_symmetry),
        other_faces=mean_with_interval(figures.other_faces),
        own_mirror_found=mean_with_interval(figures.own_mirror_found),
        changed_answers=mean_with_interval(figures.changed_answers),
        total_variation=mean_with_interval(figures.total_variation),
    )


def _accuracy_intervals(predicted: Tensor, labels: Tensor) -> Intervals:
    found = accuracy_intervals((predicted == labels).double().unsqueeze(1).numpy(), labels.numpy())[0]
    return Intervals(overall=found["overall"], mean=found["mean"])


def _intervals(predicted: Tensor, labels: Tensor, consistency: Floats) -> Intervals:
    accuracies_of = torch.where(
        labels.unsqueeze(1) == torch.arange(len(EXPRESSIONS)), (predicted == labels).double().unsqueeze(1), torch.nan
    )
    return _accuracy_intervals(predicted, labels).model_copy(
        update={
            "per_class": dict(zip(EXPRESSIONS, mean_intervals(accuracies_of.numpy()), strict=True)),
            "flip_consistency": dict(zip(EXPRESSIONS, mean_intervals(consistency), strict=True)),
        }
    )
