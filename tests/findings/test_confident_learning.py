"""Confident learning against the definition, worked by hand and face by face, and against labels known to be wrong."""

from __future__ import annotations

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from model.findings.confident_learning import class_thresholds, confident_classes, confident_joint, label_issues


def test_a_joint_worked_by_hand() -> None:
    probabilities = np.array([[0.9, 0.1, 0.0], [0.7, 0.3, 0.0], [0.1, 0.9, 0.0], [0.2, 0.8, 0.0], [0.85, 0.15, 0.0], [0.55, 0.45, 0.0]])
    labels = np.array([0, 0, 1, 1, 1, 0])
    # Class 0: (0.9 + 0.7 + 0.55) / 3; class 1: (0.9 + 0.8 + 0.15) / 3; nobody is labelled 2.
    assert_allclose(class_thresholds(probabilities, labels), [2.15 / 3, 1.85 / 3, np.inf])
    issues = label_issues(probabilities, labels)
    assert_array_equal(confident_classes(probabilities, labels), [0, -1, 1, 1, 0, -1])
    assert_array_equal(confident_joint(probabilities, labels), [[1, 0, 0], [1, 2, 0], [0, 0, 0]])
    assert_array_equal(issues.wrong, [False, False, False, False, True, False])
    assert_allclose(issues.score, [0.1, 0.3, 0.1, 0.2, 0.85, 0.45])


def test_the_likeliest_of_several_classes_above_their_thresholds_is_the_confident_one() -> None:
    generator = np.random.default_rng(1)
    probabilities = generator.dirichlet(np.full(7, 0.3), 400)
    labels = generator.integers(0, 7, 400)
    thresholds, joint = class_thresholds(probabilities, labels), confident_joint(probabilities, labels)
    expected = np.zeros((7, 7), dtype=int)
    for row, label, confident in zip(probabilities, labels, confident_classes(probabilities, labels), strict=True):
        above = [index for index in range(7) if row[index] >= thresholds[index]]
        assert confident == (max(above, key=lambda index: row[index]) if above else -1)
        if above:
            expected[label, confident] += 1
    assert_array_equal(joint, expected)


def test_as_many_of_a_label_are_listed_as_the_joint_says_are_of_each_other_class() -> None:
    generator = np.random.default_rng(3)
    probabilities, labels = generator.dirichlet(np.full(7, 0.3), 500), generator.integers(0, 7, 500)
    joint = confident_joint(probabilities, labels)
    expected = set()
    for label in range(7):
        faces = [face for face in range(500) if labels[face] == label]
        for other in set(range(7)) - {label}:
            number = round(joint[label, other] / joint[label].sum() * len(faces))
            ahead = sorted(faces, key=lambda face: probabilities[face, label] - probabilities[face, other])[:number]
            expected |= {face for face in ahead if probabilities[face, other] > probabilities[face, label]}
    issues = label_issues(probabilities, labels)
    assert set(np.flatnonzero(issues.wrong).tolist()) == expected
    assert (issues.likely != labels).all()


def test_labels_known_to_be_wrong_are_found_first() -> None:
    generator = np.random.default_rng(2)
    truth = generator.integers(0, 7, 2000)
    probabilities = generator.dirichlet(np.ones(7), 2000) * 0.4
    probabilities[np.arange(2000), truth] += 0.6
    wrong = generator.random(2000) < 0.1
    labels = np.where(wrong, (truth + generator.integers(1, 7, 2000)) % 7, truth)
    issues = label_issues(probabilities, labels)
    assert not (issues.wrong & ~wrong).any()
    assert issues.wrong.sum() > 0.9 * wrong.sum()
    assert_array_equal(issues.likely[issues.wrong], truth[issues.wrong])
    assert issues.score[wrong].min() > issues.score[~wrong].max()
