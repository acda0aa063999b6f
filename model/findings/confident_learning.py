"""Which labels are probably wrong: confident learning (Northcutt, Jiang and Chuang, JAIR 2021), from its published description.

A class's threshold is the mean probability that the faces labelled so have of it: what the classifier gives when it is right, however sure
of itself it is in general. A face is confidently of a class where its probability reaches the threshold, of the likeliest one where it
reaches several; counted by label that is the confident joint, and its faces off the diagonal are the issues. They are ranked by how little
probability the label has, which found more on FERPlus than the margin to the likeliest other class (docs/audit.md has both).

Probabilities must be out of sample: a network learns the labels it was trained on, wrong ones too.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class LabelIssues:
    """Of N labelled faces: ``wrong`` (N,) where the confident class is not the label; ``confident`` (N,) that class, -1 where none is;
    ``score`` (N,) in 0..1, 1 where the label has no probability; ``joint`` (L, L) counts, row the label, column the confident class."""

    wrong: NDArray[np.bool_]
    confident: Labels
    score: Floats
    joint: Labels


def label_issues(probabilities: Floats, labels: Labels) -> LabelIssues:
    """The issues of labels ``(N,)`` under out-of-sample probabilities ``(N, L)``."""
    classes = probabilities.shape[1]
    reached = np.where(probabilities >= class_thresholds(probabilities, labels), probabilities, -1.0)
    confident = np.where(reached.max(1, initial=-1.0) >= 0, reached.argmax(1), -1)
    counted = confident >= 0
    joint = np.bincount(labels[counted] * classes + confident[counted], minlength=classes * classes).reshape(classes, classes)
    return LabelIssues(counted & (confident != labels), confident, doubt(probabilities, labels), joint)


def class_thresholds(probabilities: Floats, labels: Labels) -> Floats:
    """Mean probability ``(L,)`` of each class over the faces labelled so; infinite, so that none reaches it, for a class without any."""
    means = [probabilities[labels == index, index].mean() if (labels == index).any() else np.inf for index in range(probabilities.shape[1])]
    return np.array(means)


def doubt(probabilities: Floats, labels: Labels) -> Floats:
    """What the probabilities leave to other classes than the label, ``(N,)``."""
    return 1 - probabilities[np.arange(len(labels)), labels]


def inverse_margin(probabilities: Floats, labels: Labels) -> Floats:
    """One minus the normalised margin, ``(N,)``: 0 where all probability is on the label, 1 where all is on one other class."""
    rows = np.arange(len(labels))
    others = probabilities.copy()
    others[rows, labels] = -np.inf
    inverse: Floats = (others.max(1) - probabilities[rows, labels] + 1) / 2
    return inverse
