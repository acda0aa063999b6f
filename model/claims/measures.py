"""The paper's three conclusions, measured: what every model's maps and scores say on the whole test split, against the baseline's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from model.claims.comparison import Comparison, ModelFigures, Statistic
from model.claims.report import Claim, Measure, PointSet, Verdict
from model.data.ferplus import VOTE_COLUMNS
from model.expressions import EXPRESSIONS, MINOR_CLASSES, expression_index
from model.measuring.bootstrap import Floats, Labels, class_mean, drawn_accuracies, row_mean, weighted_mean
from model.measuring.mirror import MirrorFigures
from model.measuring.ranking import auroc, auroc_within, average_precision

ENOUGH_VOTES = 2  # annotators who make a face of another label a positive for a minor class
BARE_RULES = {"fear": "surprise", "disgust": "anger"}  # the label that best foretells minority votes for a minor class


def measure_claims(
    comparison: Comparison, labels: Labels, votes: Labels, shuffled: MirrorFigures | None = None
) -> tuple[Claim, Claim, Claim]:
    """The three claims.

    Args:
        labels: ``(N,)`` in the order of ``EXPRESSIONS``.
        votes: ``(N, 10)`` in the order of ``VOTE_COLUMNS``.
        shuffled: figures of ``ours`` with its weights shuffled, as a reference for the first claim: what the network's form and the
            pictures give without anything learnt.
    """
    return _flip_consistency(comparison, shuffled), _minor_knowledge(comparison, labels, votes), _separation(comparison, votes)


def measure_accuracies(comparison: Comparison, labels: Labels) -> tuple[Measure, ...]:
    """Overall accuracy and the mean over the classes, of labels ``(N,)``: of the face as it is, and of both views' averaged logits."""

    def accuracy(name: str, predicted: Callable[[ModelFigures], Labels]) -> Statistic:
        def drawn(figures: ModelFigures, counts: Floats) -> Floats:
            return drawn_accuracies((predicted(figures) == labels).astype(np.float64)[:, None], labels, counts)[name][:, 0]

        return drawn

    titles = {"overall": "Overall accuracy", "mean": "Mean accuracy of the classes"}
    single = [comparison.measure(name, title, "higher", accuracy(name, lambda f: f.predicted)) for name, title in titles.items()]
    double = [
        comparison.measure(f"two_view_{name}", f"{title}, two views", "higher", accuracy(name, lambda f: f.predicted_by_two))
        for name, title in titles.items()
    ]
    return (*single, *double)


def _flip_consistency(comparison: Comparison, shuffled: MirrorFigures | None) -> Claim:
    measures = (
        comparison.measure(
            "consistency",
            "Mean flip consistency",
            "higher",
            _class_mean(lambda m: m.consistency),
            decides=True,
            reference=_shuffled_mean(shuffled, lambda m: m.consistency),
        ),
        *(
            comparison.measure("consistency_class", f"Flip consistency of {name}", "higher", _of_class(index), expression=name)
            for index, name in enumerate(EXPRESSIONS)
        ),
        *_controls(comparison, shuffled),
        comparison.measure(
            "null_share", "Share of flat maps, which have no correlation", "lower", _null_share(lambda f: f.mirror.consistency)
        ),
    )
    verdicts = comparison.verdicts(measures)
    mean_consistency = comparison.points(
        "consistency", "Each face", "flip consistency, mean of the classes", lambda f: row_mean(f.mirror.consistency)
    )
    return Claim(
        key="flip_consistency",
        statement="The attention maps agree before and after the face is mirrored.",
        method=(
            "Pearson correlation over the cells of each class's map and the map of the mirror image, mapped back; averaged over all "
            "faces, then over the classes. A map that is symmetric, or alike on every face, agrees with any mirror. So beside it "
            "stand: the same for the mirror image of another face of the same predicted class (the floor); for the map with itself "
            "mirrored (own symmetry); the share of maps whose nearest map among the mirror images of 100 faces is their own; how "
            "often the prediction changes, and how far the probabilities move. Where a model's own symmetry is above the "
            "baseline's, its interval clear of zero, the verdict says that the maps agree mostly through symmetry."
        ),
        samples={"faces": comparison.faces},
        measures=measures,
        verdicts=verdicts,
        qualifications=_through_symmetry(measures, verdicts),
        points=(mean_consistency,),
    )


def _controls(comparison: Comparison, shuffled: MirrorFigures | None) -> tuple[Measure, ...]:
    """What agreement of maps is read beside."""

    def of_maps(key: str, title: str, better: Literal["higher", "lower"], values: Callable[[MirrorFigures], Floats]) -> Measure:
        return comparison.measure(key, title, better, _class_mean(values), reference=_shuffled_mean(shuffled, values))

    return (
        of_maps("floor", "Floor: another face of the same predicted class", "lower", lambda m: m.other_faces),
        comparison.measure("above_floor", "Mean flip consistency above the floor", "higher", _above_floor),
        of_maps("own_symmetry", "Own symmetry: a map with itself mirrored", "lower", lambda m: m.own_symmetry),
        of_maps("own_mirror_found", "Maps whose own mirror image is the nearest of 100", "higher", lambda m: m.own_mirror_found),
        of_maps("own_mirror_found_coarse", "The same of maps averaged to 3x3", "higher", lambda m: m.own_mirror_found_coarse),
        comparison.measure(
            "changed_answers", "Faces whose prediction changes in the mirror", "lower", _face_mean(lambda m: m.changed_answers)
        ),
        comparison.measure("total_variation", "Total variation of the two answers", "lower", _face_mean(lambda m: m.total_variation)),
    )


def _shuffled_mean(shuffled: MirrorFigures | None, values: Callable[[MirrorFigures], Floats]) -> tuple[str, float] | None:
    if shuffled is None:
        return None
    measured = values(shuffled)
    return "ours with its weights shuffled", float(class_mean(measured, np.ones((1, len(measured))))[0])


def _through_symmetry(measures: tuple[Measure, ...], verdicts: dict[str, Verdict]) -> dict[str, str]:
    """The models whose maps agree, and are also more symmetric than the baseline's: the rule that the claim's method states."""
    symmetry = next(measure for measure in measures if measure.key == "own_symmetry")
    more = {name for name, verdict in symmetry.verdicts.items() if verdict == "does not hold"}  # lower would have been better
    return {name: "mostly through symmetry" for name, verdict in verdicts.items() if verdict == "holds" and name in more}


def _minor_knowledge(comparison: Comparison, labels: Labels, votes: Labels) -> Claim:
    major = ~np.isin(labels, [expression_index(name) for name in MINOR_CLASSES])
    samples = {"faces with a major label": int(major.sum())}
    measures: list[Measure] = []
    points: list[PointSet] = []
    for name in MINOR_CLASSES:
        positive = votes[:, VOTE_COLUMNS.index(name)] >= ENOUGH_VOTES
        samples[f"of them with {ENOUGH_VOTES} votes or more for {name}"] = int((positive & major).sum())
        samples[f"faces labelled {name}"] = int((labels == expression_index(name)).sum())
        measures += _ranking_measures(comparison, name, major, positive, labels)

        def log_odds(figures: ModelFigures, index: int = expression_index(name)) -> Floats:
            return np.where(major, figures.log_odds[:, index], np.nan)

        marked = (f"at least {ENOUGH_VOTES} annotators voted {name}", positive)
        points.append(comparison.points(f"log_odds_{name}", f"Faces with a major label: {name}", f"log-odds of {name}", log_odds, marked))
    return Claim(
        key="minor_knowledge",
        statement="Knowledge of the minor classes is found in faces of the major classes.",
        method=(
            f"Among test faces with a major label, a face is positive for a minor class if at least {ENOUGH_VOTES} of the ten annotators "
            "voted for it; the model's log-odds of that class rank the faces. The area under the ROC curve is given over all these faces, "
            "and within each label, averaged with the positives as weights, since a bare rule on the label ranks well already."
        ),
        samples=samples,
        measures=tuple(measures),
        verdicts=comparison.verdicts(tuple(measures)),
        points=tuple(points),
    )


def _ranking_measures(
    comparison: Comparison, name: str, major: NDArray[np.bool_], positive: NDArray[np.bool_], labels: Labels
) -> list[Measure]:
    index, rule = expression_index(name), BARE_RULES[name]
    one = np.ones((1, int(major.sum())))
    by_rule = (labels == expression_index(rule)).astype(np.float64)[major]
    bare = (f"bare rule: the label is {rule}", float(auroc(by_rule, positive[major], one)[0]))

    def ranks(statistic: Callable[[Floats, NDArray[np.bool_], Floats], Floats]) -> Statistic:
        return lambda figures, counts: statistic(figures.log_odds[major, index], positive[major], counts[:, major])

    def within(figures: ModelFigures, counts: Floats) -> Floats:
        return auroc_within(figures.log_odds[major, index], positive[major], labels[major], counts[:, major])

    def recall(figures: ModelFigures, counts: Floats) -> Floats:
        return weighted_mean(np.where(labels == index, figures.predicted == index, np.nan), counts)

    share = ("chance: the share of positives", float(positive[major].mean()))
    return [
        comparison.measure("auroc", f"AUROC of {name}", "higher", ranks(auroc), decides=True, expression=name, reference=bare),
        comparison.measure(
            "within", f"AUROC of {name} within labels", "higher", within, decides=True, expression=name, reference=("chance", 0.5)
        ),
        comparison.measure(
            "precision", f"Average precision of {name}", "higher", ranks(average_precision), expression=name, reference=share
        ),
        comparison.measure("recall", f"Recall of {name} itself", "higher", recall, expression=name),
    ]


def _separation(comparison: Comparison, votes: Labels) -> Claim:
    voted = votes[:, [VOTE_COLUMNS.index(name) for name in EXPRESSIONS]] > 0

    def absent(figures: ModelFigures) -> Floats:
        return row_mean(np.where(voted, np.nan, figures.periphery))

    measures = (
        comparison.measure(
            "overlap",
            "Mean overlap of two classes' maps",
            "lower",
            lambda f, counts: weighted_mean(row_mean(f.overlap), counts),
            decides=True,
        ),
        comparison.measure(
            "minmax_overlap",
            "The same on maps scaled by their minimum and maximum",
            "lower",
            lambda f, counts: weighted_mean(row_mean(f.minmax_overlap), counts),
            decides=True,
        ),
        comparison.measure(
            "periphery",
            "Periphery share of the maps of classes without a vote",
            "higher",
            lambda f, counts: weighted_mean(absent(f), counts),
            decides=True,
        ),
        comparison.measure("null_share", "Share of pairs with a map that is nowhere positive", "lower", _null_share(lambda f: f.overlap)),
    )
    return Claim(
        key="separation",
        statement="The maps of different classes overlap less, and those of absent classes move to the periphery.",
        method=(
            "Overlap: histogram intersection of the positive parts of two classes' maps, each scaled to sum 1, and of the maps scaled "
            "from minimum to maximum as in the paper's figures; averaged over the pairs, then over the faces. Periphery: the part of a "
            "map's positive sum outside the inner face, less what a uniform map has there, for the classes that no annotator voted for."
        ),
        samples={"faces": comparison.faces, "maps of classes without a vote": int((~voted).sum())},
        measures=measures,
        verdicts=comparison.verdicts(measures),
        points=(
            comparison.points("overlap", "Each face", "overlap, mean of the pairs", lambda f: row_mean(f.overlap)),
            comparison.points("periphery", "Each face", "periphery share of classes without a vote, mean", absent),
        ),
    )


def _above_floor(figures: ModelFigures, counts: Floats) -> Floats:
    return class_mean(figures.mirror.consistency, counts) - class_mean(figures.mirror.other_faces, counts)


def _of_class(index: int) -> Statistic:
    return lambda figures, counts: weighted_mean(figures.mirror.consistency[:, index], counts)


def _class_mean(values: Callable[[MirrorFigures], Floats]) -> Statistic:
    return lambda figures, counts: class_mean(values(figures.mirror), counts)


def _face_mean(values: Callable[[MirrorFigures], Floats]) -> Statistic:
    return lambda figures, counts: weighted_mean(values(figures.mirror), counts)


def _null_share(values: Callable[[ModelFigures], Floats]) -> Statistic:
    return lambda figures, counts: weighted_mean(np.isnan(values(figures)).mean(1), counts)
