"""What an explanation says in words: written once, for the API, the pages and whoever reads them aloud."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from app.numbers import decimal, share_text
from model.expressions import EXPRESSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from app.explaining.explanation import Explanation, FoundCue
    from app.explaining.maps import ModelMaps

# what the codes among an answer's warnings mean
WARNING_TEXTS = {
    "taken_whole": "No face was found in this small picture, so all of it was taken as the face.",
    "uncalibrated_detector": "Faces are found by a detector whose framing may differ from that in training.",
    "low_resolution_face": "The face is very small in the picture: its expression is guesswork.",
    "icc_ignored": "The picture's colour profile is damaged and was ignored.",
    "maps_scaled_one_by_one": "With this method each map has its own scale, so their strengths cannot be compared.",
    "approximate_maps": "A model's head is not linear: its maps, called approximate, are one of several ways to share a score out.",
    "other_framing": "The models learnt from faces that are framed differently: this one is framed as the first model wants it.",
    "same_network": "Both names stand for the same network, so both rows are alike: choose another model to compare with.",
}


def summary(explanations: Mapping[str, Explanation]) -> list[str]:
    """Whether each model keeps its answer in the mirror, then one sentence a minor class on where each finds it.

    Args:
        explanations: of one face, by the names asked for.
    """
    minor = [name for name in EXPRESSIONS if any(name in explanation.maps.minor_classes for explanation in explanations.values())]
    return [answers_sentence(explanations), *(evidence_sentence(name, explanations) for name in minor)]


def most_changed(explanations: Mapping[str, Explanation]) -> str:
    """The expression whose probability changes most between face and mirror image, in any of the models."""
    changes = [np.abs(np.subtract(*explanation.maps.probabilities)) for explanation in explanations.values()]
    return EXPRESSIONS[int(np.max(changes, axis=0).argmax())]


def answers_sentence(explanations: Mapping[str, Explanation]) -> str:
    """Which models change their mind in the mirror, and what they see."""
    answers = {name: explanation.answers for name, explanation in explanations.items()}
    changed = {name: pair for name, pair in answers.items() if pair[0] != pair[1]}
    kept = {name: pair[0] for name, pair in answers.items() if name not in changed}
    if not changed:
        return _kept_sentence(kept)
    minds = [f"{name} changes its mind in the mirror: {face}, then {mirrored}." for name, (face, mirrored) in changed.items()]
    minds += [f"{name} does not." for name in kept]
    return " ".join(_capital(mind) for mind in minds)


def _kept_sentence(kept: Mapping[str, str]) -> str:
    if len(kept) == 1:
        ((name, seen),) = kept.items()
        return f"{_capital(name)} sees {seen}, on the face and on its mirror image."
    if len(set(kept.values())) == 1:
        seen = next(iter(kept.values()))
        return f"{'Both' if len(kept) == 2 else 'All'} models see {seen}, on the face and on its mirror image."
    said = ", ".join(f"{name} sees {seen}" for name, seen in kept.items())
    return f"{_capital(said)}; none changes its mind in the mirror."


def evidence_sentence(expression: str, explanations: Mapping[str, Explanation]) -> str:
    """Where each model finds evidence of a minor class, and the probability it gives it."""
    parts = []
    for name, explanation in explanations.items():
        cue = next((cue for cue in explanation.cues if cue.expression == expression), None)
        if cue is not None:
            face, _ = explanation.maps.probabilities
            parts.append(f"{name} {_where(cue)} ({share_text(float(face[EXPRESSIONS.index(expression)]))})")
    return f"{_capital(expression)}: {', '.join(parts)}."


def _where(cue: FoundCue) -> str:
    if cue.peak is None:
        return "finds no evidence"
    return f"finds evidence at the {cue.place}" if cue.place is not None else "finds evidence in no one place"


def cue_sentence(name: str, cue: FoundCue, maps: ModelMaps) -> str:
    """What a model finds for a minor class, and what becomes of it: evidence at one place is not yet an answer.

    Args:
        name: of the model.
        maps: the explanation's, for the class's logit and probability.
    """
    if cue.peak is None:
        return f"{name} finds no evidence of {cue.expression}."
    digits = 2 if cue.evidence < 0.1 else 1
    amount = f"{cue.evidence:.{digits}f} logits of evidence of {cue.expression}"
    mirror = "and at the same place in the mirror image" if cue.mirror_agrees else "but not at the same place in the mirror image"
    if cue.place is None:
        found = f"{name} finds evidence of {cue.expression} in no one place: {amount} around its peak"
    else:
        found = f"{name} finds {amount} at the {cue.place}"
    index = EXPRESSIONS.index(cue.expression)
    score, share = (float(face[index]) for face, _ in (maps.logits, maps.probabilities))
    found += f", {100 * cue.share:.0f}\u00a0% of all, {mirror}."
    return f"{found} The whole face scores {decimal(score, 1)}, a probability of {share_text(share)}."


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
