"""What an explanation says in words, on explanations made by hand."""

from __future__ import annotations

import numpy as np
import pytest

from app.explaining.explanation import Explanation, FoundCue, MirrorAgreement
from app.explaining.maps import ModelMaps
from app.explaining.sentences import cue_sentence, most_changed, summary
from model.expressions import EXPRESSIONS
from model.networks import Grid

NO_FEAR, NO_DISGUST = FoundCue("fear", None, 0.0, 0.0, None, False), FoundCue("disgust", None, 0.0, 0.0, None, False)


def said(face: str, mirrored: str, *cues: FoundCue, score: float = 9.0) -> Explanation:
    """An explanation whose answers are given: all other logits are 0."""
    logits = np.zeros((2, len(EXPRESSIONS)), np.float32)
    logits[0, EXPRESSIONS.index(face)] = logits[1, EXPRESSIONS.index(mirrored)] = score
    maps = np.zeros((2, len(EXPRESSIONS), 5, 5), np.float32)
    model = ModelMaps("baseline", "baseline", ("fear", "disgust"), Grid(17, 16, 99), logits[0], logits, maps)
    flat = dict.fromkeys(EXPRESSIONS, MirrorAgreement(None, 0.0, None, None, None))
    return Explanation(model, flat, cues or (NO_FEAR, NO_DISGUST))


@pytest.mark.parametrize(
    ("baseline", "ours", "sentence"),
    [
        (
            ("neutral", "happiness"),
            ("neutral", "neutral"),
            "Baseline changes its mind in the mirror: neutral, then happiness. Ours does not.",
        ),
        (
            ("fear", "fear"),
            ("fear", "surprise"),
            "Ours changes its mind in the mirror: fear, then surprise. Baseline does not.",
        ),
        (
            ("anger", "fear"),
            ("fear", "surprise"),
            "Baseline changes its mind in the mirror: anger, then fear. Ours changes its mind in the mirror: fear, then surprise.",
        ),
        (("anger", "anger"), ("anger", "anger"), "Both models see anger, on the face and on its mirror image."),
        (("anger", "anger"), ("fear", "fear"), "Baseline sees anger, ours sees fear; none changes its mind in the mirror."),
    ],
)
def test_the_first_sentence_says_whose_mind_the_mirror_changes(baseline: tuple[str, str], ours: tuple[str, str], sentence: str) -> None:
    assert summary({"baseline": said(*baseline), "ours": said(*ours)})[0] == sentence


def test_one_model_alone_is_spoken_of_alone() -> None:
    assert summary({"ours": said("anger", "anger")})[0] == "Ours sees anger, on the face and on its mirror image."


def test_a_sentence_for_each_minor_class_says_who_finds_it_where() -> None:
    spread = FoundCue("fear", None, 0.2, 0.5, (1, 1), True)
    at_the_mouth = FoundCue("fear", "mouth", 0.4, 0.9, (3, 2), True)
    sentences = summary({"baseline": said("anger", "anger", spread, NO_DISGUST), "ours": said("anger", "anger", at_the_mouth, NO_DISGUST)})
    assert sentences[1:] == [
        "Fear: baseline finds evidence in no one place (<0.1\u00a0%), ours finds evidence at the mouth (<0.1\u00a0%).",
        "Disgust: baseline finds no evidence (<0.1\u00a0%), ours finds no evidence (<0.1\u00a0%).",
    ]


def test_the_expression_that_changes_most_in_any_model_is_named() -> None:
    assert most_changed({"baseline": said("anger", "anger"), "ours": said("fear", "fear", score=1.0)}) == "neutral"  # nothing changes
    assert most_changed({"baseline": said("anger", "anger"), "ours": said("sadness", "surprise")}) == "surprise"


OUTCOME = " The whole face scores −1.1, a probability of <0.1\u00a0%."


@pytest.mark.parametrize(
    ("cue", "sentence"),
    [
        (
            FoundCue("fear", "mouth", 1.31, 0.8, (3, 2), True),
            "ours finds 1.3 logits of evidence of fear at the mouth, 80\u00a0% of all, and at the same place in the mirror image."
            + OUTCOME,
        ),
        (
            FoundCue("fear", "left brow", 0.04, 1.0, (0, 1), False),
            "ours finds 0.04 logits of evidence of fear at the left brow, 100\u00a0% of all, but not at the same place in the mirror image."
            + OUTCOME,
        ),
        (
            FoundCue("fear", None, 0.04, 0.5, (0, 1), False),
            "ours finds evidence of fear in no one place: 0.04 logits of evidence of fear around its peak, 50\u00a0% of all, "
            "but not at the same place in the mirror image." + OUTCOME,
        ),
        (NO_FEAR, "ours finds no evidence of fear."),
    ],
)
def test_cues_are_plain_sentences(cue: FoundCue, sentence: str) -> None:
    explanation = said("anger", "anger")
    explanation.maps.logits[0, EXPRESSIONS.index("fear")] = -1.06
    assert cue_sentence("ours", cue, explanation.maps) == sentence
