"""The paper's three conclusions, measured: what every model's maps and scores say on the whole test split, against the baseline's."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from model.claims.comparison import Comparison, ModelFigures, Statistic, row_mean
from model.claims.report import Claim, Measure, PointSet
from model.data.ferplus import VOTE_COLUMNS
from model.expressions import EXPRESSIONS, MINOR_CLASSES, expression_index
from model.measuring.bootstrap import Floats, Labels, drawn_accuracies, weighted_mean
from model.measuring.ranking import auroc, auroc_within, average_precision

ENOUGH_VOTES = 2  # annotators who make a face of another label a positive for a minor class
BARE_RULES = {"fear": "surprise", "disgust": "anger"}  # the label that best foretells minority votes for a minor class


def measure_claims(comparison: Comparison, labels: Labels, votes: Labels) -> tuple[Claim, Claim, Claim]:
    """The three claims.

    Args:
        labels: ``(N,)`` in the order of ``EXPRESSIONS``.
        votes: ``(N, 10)`` in the order of ``VOTE_COLUMNS``.
    """
    return _flip_consistency(comparison), _minor_knowledge(comparison, labels, votes), _separation(comparison, votes)


def measure_accuracies(comparison: Comparison, labels: Labels) -> tuple[Measure, Measure]:
    """Overall accuracy and the mean over the classes, of labels ``(N,)``."""

    def accuracy(name: str) -> Statistic:
        def drawn(figures: ModelFigures, counts: Floats) -> Floats:
            return drawn_accuracies((figures.predicted == labels).astype(np.float64)[:, None], labels, counts)[name][:, 0]

        return drawn

    return (
        comparison.measure("overall", "Overall accuracy", "higher", accuracy("overall")),
        comparison.measure("mean", "Mean accuracy of the classes", "higher", accuracy("mean")),
    )


def _flip_consistency(comparison: Comparison) -> Claim:
    measures = (
        comparison.measure("consistency", "Mean flip consistency", "higher", _class_mean("consistency"), decides=True),
        *(
            comparison.measure("consistency_class", f"Flip consistency of {name}", "higher", _of_class(index), expression=name)
            for index, name in enumerate(EXPRESSIONS)
        ),
        comparison.measure("floor", "Floor: another face of the same predicted class", "lower", _class_mean("floor")),
        comparison.measure(
            "above_floor",
            "Mean flip consistency above the floor",
            "higher",
            lambda figures, counts: _class_mean("consistency")(figures, counts) - _class_mean("floor")(figures, counts),
        ),
        comparison.measure("null_share", "Share of flat maps, which have no correlation", "lower", _null_share("consistency")),
    )
    return Claim(
        key="flip_consistency",
        statement="The attention maps agree before and after the face is mirrored.",
        method=(
            "Pearson correlation over the cells of each class's map and the map of the mirror image, mapped back; averaged over all faces, "
            "then over the classes. The floor is the same for the mirror image of another face of the same predicted class: what maps of "
            "one class share whatever the face."
        ),
        samples={"faces": comparison.faces},
        measures=measures,
        verdicts=comparison.verdicts(measures),
        points=(comparison.points("consistency", "Each face", "flip consistency, mean of the classes", lambda f: row_mean(f.consistency)),),
    )


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
        comparison.measure("null_share", "Share of pairs with a map that is nowhere positive", "lower", _null_share("overlap")),
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


def _of_class(index: int) -> Statistic:
    return lambda figures, counts: weighted_mean(figures.consistency[:, index], counts)


def _class_mean(field: str) -> Statistic:
    """Mean over the faces for every class, then over the classes that have one."""

    def statistic(figures: ModelFigures, counts: Floats) -> Floats:
        columns = getattr(figures, field).T
        return row_mean(np.stack([weighted_mean(column, counts) for column in columns], axis=1))

    return statistic


def _null_share(field: str) -> Statistic:
    return lambda figures, counts: weighted_mean(np.isnan(getattr(figures, field)).mean(1), counts)
