"""Votes: targets from the annotators."""

from __future__ import annotations

import math

import pytest
import torch

from model.methods.settings import NoSettings
from model.methods.votes import Votes, vote_distributions
from tests.methods.cases import batch_of, classifier_of, pixels, task_of

# columns: neutral, happiness, surprise, sadness, anger, disgust, fear, contempt, unknown, no face
VOTES = torch.tensor(
    [
        [4, 0, 0, 0, 0, 2, 0, 3, 1, 0],
        [8, 1, 0, 0, 0, 0, 0, 0, 1, 0],
        [1, 1, 0, 0, 0, 0, 0, 8, 0, 0],
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 10],
    ]
)


def test_votes_become_distributions_over_the_seven_expressions() -> None:
    neutral, happiness, disgust = 0, 1, 6
    targets = vote_distributions(VOTES)
    expected = torch.zeros(4, 7)
    expected[0, neutral], expected[0, disgust] = 2 / 3, 1 / 3
    expected[1, neutral] = 1.0  # the single vote is dropped
    expected[2, neutral] = expected[2, happiness] = 0.5  # only single votes
    torch.testing.assert_close(targets, expected)


def test_the_loss_of_one_face_and_of_one_without_a_vote() -> None:
    classifier = classifier_of([[1.0]] + [[0.0]] * 6)
    method = Votes(classifier, task_of((1,) * 7, votes=VOTES), NoSettings())
    # g = ln 2: p = 2/8 for neutral, 1/8 for each other. -(2/3 ln 1/4 + 1/3 ln 1/8) = 7/3 ln 2. The face without a vote adds 0.
    batch = batch_of(pixels(math.log(2), 0.0), [0, 0])._replace(indices=torch.tensor([0, 3]))
    assert method(batch)["loss"].item() == pytest.approx(7 / 6 * math.log(2))


def test_a_dataset_without_votes_is_refused() -> None:
    with pytest.raises(ValueError, match="only FERPlus publishes"):
        vote_distributions(torch.zeros(3, 0, dtype=torch.int64))
