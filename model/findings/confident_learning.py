"""Which labels are probably wrong: confident learning (Northcutt, Jiang and Chuang, JAIR 2021), from its published description.

A class's threshold is the mean probability that the faces labelled so have of it: what the classifier gives when it is right, however sure
of itself it is in general. A face is confidently of a class where its probability reaches the threshold, of the likeliest one where it
reaches several. Counted by label that is the confident joint; scaled so that each row has as many faces as the label, it says how many
faces of a label are of each other class. So many are listed, those where that class lies furthest above the label ("prune by noise rate").
On FERPlus this found more of the wrong labels than listing the joint's faces off the diagonal, at the same precision.

Listed labels are ranked by how little probability they have, which found more than the margin to the likeliest other class
(docs/audit_measured.md has all these figures). Probabilities must be out of sample: a network learns the labels it was trained on, wrong
ones too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class LabelIssues:
    """Of N labelled faces: which labels are probably ``wrong`` (N,); ``likely`` (N,), the likeliest class beside the label; ``score`` (N,)
    in 0..1, 1 where the label has no probability."""

    wrong: NDArray[np.bool_]
    likely: Labels
    score: Floats


def label_issues(probabilities: Floats, labels: Labels) -> LabelIssues:
    """The issues of labels ``(N,)`` under out-of-sample probabilities ``(N, L)``."""
    joint = confident_joint(probabilities, labels)
    wrong = np.zeros(len(labels), dtype=bool)
    for label, counts in enumerate(joint):
        faces = np.flatnonzero(labels == label)
        of_each = np.round(counts / max(counts.sum(), 1) * len(faces)).astype(int)
        for other in np.flatnonzero(of_each):
            lead = probabilities[faces, other] - probabilities[faces, label]
            furthest = np.argsort(-lead, kind="stable")[: of_each[other]]
            wrong[faces[furthest[lead[furthest] > 0]]] = True  # of the label itself none has a lead
    return LabelIssues(wrong, without_label(probabilities, labels).argmax(1), doubt(probabilities, labels))


def confident_joint(probabilities: Floats, labels: Labels) -> Labels:
    """How many faces of each label (rows) are confidently of each class (columns), ``(L, L)``."""
    classes = probabilities.shape[1]
    confident = confident_classes(probabilities, labels)
    counted = confident >= 0
    return np.bincount(labels[counted] * classes + confident[counted], minlength=classes * classes).reshape(classes, classes)


def confident_classes(probabilities: Floats, labels: Labels) -> Labels:
    """The class that each face is confidently of, ``(N,)``; -1 where there is none."""
    reached = np.where(probabilities >= class_thresholds(probabilities, labels), probabilities, -1.0)
    return np.where(reached.max(1, initial=-1.0) >= 0, reached.argmax(1), -1)


def class_thresholds(probabilities: Floats, labels: Labels) -> Floats:
    """Mean probability ``(L,)`` of each class over the faces labelled so; infinite, so that none reaches it, for a class without any."""
    means = [probabilities[labels == index, index].mean() if (labels == index).any() else np.inf for index in range(probabilities.shape[1])]
    return np.array(means)


def doubt(probabilities: Floats, labels: Labels) -> Floats:
    """What the probabilities leave to other classes than the label, ``(N,)``."""
    return 1 - probabilities[np.arange(len(labels)), labels]


def without_label(probabilities: Floats, labels: Labels) -> Floats:
    """The probabilities ``(N, L)`` of the other classes; minus infinity for that of the label."""
    others = probabilities.copy()
    others[np.arange(len(labels)), labels] = -np.inf
    return others
