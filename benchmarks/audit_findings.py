"""What an audit of FERPlus finds, against the votes of its ten annotators, which the audit did not see.

The tables of docs/audit_measured.md are made by

    python -m benchmarks.audit_findings --audit DIR --data datasets/ferplus.zip --cross-fit 5

Intervals are 95 % percentile intervals of bootstrap draws of faces. Labels are flipped, and drawn from the votes, by seeded generators.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.numbers import decimal, estimate
from model.auditing.parts import Audit, column_name, numbers
from model.data.ferplus import SPLITS, VOTE_COLUMNS, load_ferplus
from model.expressions import EXPRESSIONS, MINOR_CLASSES, expression_index
from model.findings.command import labelled_pictures
from model.findings.confident_learning import Floats, Labels, doubt, label_issues, without_label
from model.findings.cross_fit import cross_fitted, features_of, folds_of
from model.findings.duplicates import NEAR, exact_groups, near_copies
from model.findings.faces import AuditedFaces, read_audited_faces
from model.maps.measures import ratio, total_variation
from model.measuring.bootstrap import draw_counts, percentile_interval, weighted_mean
from model.measuring.ranking import auroc

RATES = (0.05, 0.1, 0.2)
ENOUGH_VOTES = 2
DISPUTED = 6  # votes for the label; a face with no more of them is disputed
DRAWS = 500
FIRST = 100

Bools = NDArray[np.bool_]
Statistic = Callable[[Floats], Floats]  # bootstrap counts (R, N) -> (R,)


@dataclass(frozen=True)
class Faces:
    """The labelled faces of a split: ``rows`` of the audit, ``labels`` (N,), ``votes`` (N, 10), and each model's probabilities (N, L) by
    name, of the face as given and of two views."""

    rows: NDArray[np.int64]
    labels: Labels
    votes: Labels
    one_view: dict[str, Floats]
    two_views: dict[str, Floats]

    @property
    def expression_votes(self) -> Labels:
        return self.votes[:, [VOTE_COLUMNS.index(name) for name in EXPRESSIONS]]

    @property
    def disputed(self) -> Bools:
        """Where the label has few of the ten votes."""
        return self.expression_votes[np.arange(len(self.labels)), self.labels] <= DISPUTED


def read_faces(audit: Audit, audited: AuditedFaces, data: Path, split: str) -> Faces:
    votes = load_ferplus(data, split)
    of_name = dict(zip(votes.names, votes.votes.numpy(), strict=True))
    for name in [name for name, rows in Counter(votes.names).items() if rows > 1]:
        del of_name[name]  # four pictures have two rows of votes, which differ
    of_split = [row for row in audited.labelled.tolist() if audited.splits[row] == split]
    rows = np.array([row for row in of_split if Path(audited.ids[row]).name in of_name], dtype=np.int64)
    models = [model.name for model in audit.manifest.models]
    views = ("probabilities", "two_view_probabilities")
    table = audit.table([column_name(model, view) for model in models for view in views])
    one, two = ({name: numbers(table, column_name(name, view))[rows].astype(np.float64) for name in models} for view in views)
    named = np.array([of_name[Path(audited.ids[row]).name] for row in rows])
    mean = {"mean of all": np.mean(list(two.values()), axis=0)}
    return Faces(rows, audited.labels[rows], named, one, two | mean)


@dataclass(frozen=True)
class Trial:
    """Labels given to the audit, and which of them are not the majority's."""

    labels: Labels
    wrong: Bools


def flipped(faces: Faces, rate: float, seed: int) -> Trial:
    """Each label is exchanged for another class with this probability, all others alike."""
    generator = np.random.default_rng([seed, round(100 * rate)])
    wrong = generator.random(len(faces.labels)) < rate
    others = (faces.labels + generator.integers(1, len(EXPRESSIONS), len(wrong))) % len(EXPRESSIONS)
    return Trial(np.where(wrong, others, faces.labels), wrong)


def one_annotator(faces: Faces, seed: int) -> Trial:
    """Each label is one of the face's votes, drawn: what a data set with one annotator a face would have."""
    votes = faces.expression_votes
    drawn = np.random.default_rng([seed, 1]).random((len(votes), 1)) * votes.sum(1, keepdims=True)
    labels = (np.cumsum(votes, axis=1) <= drawn).sum(1)
    return Trial(labels, labels != faces.labels)


def trials(faces: Faces, seeds: int) -> dict[str, list[Trial]]:
    settings = {f"{rate:.0%} flipped": [flipped(faces, rate, seed) for seed in range(seeds)] for rate in RATES}
    settings["one annotator's label"] = [one_annotator(faces, seed) for seed in range(seeds)]
    settings[f"at most {DISPUTED} votes"] = [Trial(faces.labels, faces.disputed)]
    return settings


def inverse_margin(probabilities: Floats, labels: Labels) -> Floats:
    """One minus the normalised margin, ``(N,)``: 0 where all probability is on the label, 1 where all is on one other class."""
    margin = without_label(probabilities, labels).max(1) - probabilities[np.arange(len(labels)), labels]
    inverse: Floats = (margin + 1) / 2
    return inverse


def precision_at(scores: Floats, positive: Bools, counts: Floats, first: int) -> Floats:
    """Share of positives among the ``first`` highest scores of every draw, ``(R,)``; equal scores in the order of the faces.

    Arguments as in :func:`model.measuring.ranking.auroc`; a face drawn twice takes two places.
    """
    order = np.argsort(-scores, kind="stable")
    drawn = counts[:, order]
    taken = np.clip(first - (np.cumsum(drawn, axis=1) - drawn), 0, drawn)
    return ratio((taken * positive[order]).sum(1), taken.sum(1))


Ranking = Callable[[Labels], Floats]  # labels given -> scores


def label_rankings(faces: Faces) -> dict[str, Ranking]:
    def by(score: Callable[[Floats, Labels], Floats], probabilities: Floats) -> Ranking:
        return lambda labels: score(probabilities, labels)

    first = next(iter(faces.one_view))
    rankings = {f"plain: {first}, one view, label's probability": by(doubt, faces.one_view[first])}
    rankings[f"{first}, one view, normalised margin"] = by(inverse_margin, faces.one_view[first])
    for name, probabilities in faces.two_views.items():
        rankings[f"{name}, two views, label's probability"] = by(doubt, probabilities)
    return rankings


def label_table(faces: Faces, rankings: Mapping[str, Ranking], settings: Mapping[str, Sequence[Trial]]) -> str:
    """AUROC of every ranking in every setting, and below, of several, the paired difference of the last and the first."""
    drawn = {
        (name, setting): _with_draws(len(faces.labels), _mean_auroc(ranking, tried))
        for name, ranking in rankings.items()
        for setting, tried in settings.items()
    }
    names = list(rankings)
    rows = [[name, *(_estimate(*drawn[name, setting]) for setting in settings)] for name in names]
    differences = []
    for setting in settings:
        (last, last_draws), (first, first_draws) = drawn[names[-1], setting], drawn[names[0], setting]
        differences.append(_estimate(last - first, last_draws - first_draws, signed=True))
    shares = [decimal(float(np.mean([trial.wrong.mean() for trial in tried]))) for tried in settings.values()]
    if len(names) > 1:
        rows.append(["last less first, paired", *differences])
    return markdown(["ranking", *settings], [["share of wrong labels", *shares], *rows])


def issue_table(faces: Faces, settings: Mapping[str, Sequence[Trial]]) -> str:
    """How many of the labels listed as issues are wrong, and how many of the wrong ones are listed."""
    probabilities = faces.two_views["mean of all"]
    rows = []
    for setting, tried in settings.items():
        found = [label_issues(probabilities, trial.labels).wrong for trial in tried]
        listed = np.mean([issues.sum() for issues in found])
        precision = np.mean([trial.wrong[issues].mean() for issues, trial in zip(found, tried, strict=True)])
        recall = np.mean([issues[trial.wrong].mean() for issues, trial in zip(found, tried, strict=True)])
        rows.append([setting, f"{listed:.0f}", decimal(float(precision)), decimal(float(recall))])
    return markdown(["labels", "listed", "of them wrong", "of the wrong ones listed"], rows)


def cross_fit_rankings(features: NDArray[np.float32], folds: Labels) -> Ranking:
    return lambda labels: doubt(cross_fitted(features, labels, folds), labels)


def hidden_table(faces: Faces) -> str:
    """How well the probability of a minor class ranks faces of other labels by whether annotators saw it."""
    rows = []
    for name in MINOR_CLASSES:
        others = faces.labels != expression_index(name)
        positive = faces.votes[others, VOTE_COLUMNS.index(name)] >= ENOUGH_VOTES
        scores = {f"{model}, one view": values for model, values in faces.one_view.items()}
        scores |= {f"{model}, two views": values for model, values in faces.two_views.items()}
        rows.append([name, f"chance ({positive.sum()} of {len(positive)})", decimal(0.5), decimal(float(positive.mean()))])
        for title, values in scores.items():
            ranked = values[others, expression_index(name)]
            area = _with_draws(len(ranked), lambda counts, s=ranked, p=positive: auroc(s, p, counts))  # type: ignore[misc]
            first = _with_draws(len(ranked), lambda counts, s=ranked, p=positive: precision_at(s, p, counts, FIRST))  # type: ignore[misc]
            rows.append([name, title, _estimate(*area), _estimate(*first)])
    return markdown(["class", "ranked by", "AUROC", f"precision of the first {FIRST}"], rows)


def mirror_table(audited: AuditedFaces, splits: Mapping[str, Faces]) -> str:
    """How often the answer changes in the mirror, and what that says of the answer and of the label."""
    rows = []
    for split, faces in splits.items():
        face, mirror = audited.face[faces.rows], audited.mirror[faces.rows]
        changed, variation = face.argmax(1) != mirror.argmax(1), total_variation(face, mirror)
        wrong = (face.argmax(1) != faces.labels).astype(np.float64)
        values = (np.where(changed, wrong, np.nan), np.where(changed, np.nan, wrong))
        share, of_changed, of_others = (_mean(each) for each in (changed.astype(np.float64), *values))
        area = _with_draws(len(faces.labels), lambda counts, s=variation, p=faces.disputed: auroc(s, p, counts))  # type: ignore[misc]
        rows.append([split, share, of_changed, of_others, _estimate(*area)])
    return markdown(["split", "answers that change", "wrong among them", "wrong among the others", "AUROC for disputed labels"], rows)


def copies_table(audited: AuditedFaces) -> str:
    """Copies of pictures: within and across splits, and with labels that differ."""
    exact = exact_groups(audited.digests)
    usable = np.flatnonzero(audited.usable)
    near = [usable[members].tolist() for members in near_copies(audited.hashes[usable], audited.mirrored_hashes[usable]).groups()]
    rows = [[title, *_copy_counts(audited, groups)] for title, groups in (("the same file", exact), (f"at most {NEAR} bits apart", near))]
    heads = [
        "groups",
        "pictures",
        "groups across splits",
        "test faces with a copy in training",
        "labelled groups",
        "of them with differing labels",
    ]
    return markdown(["copies", *heads], rows)


def _copy_counts(audited: AuditedFaces, groups: Sequence[Sequence[int]]) -> list[str]:
    splits = [[audited.splits[row] for row in group] for group in groups]
    leaked = sum(of.count("test") for of in splits if "train" in of)
    labels = [[label for label in audited.labels[list(group)].tolist() if label >= 0] for group in groups]
    several = [given for given in labels if len(given) > 1]
    differing = sum(len(set(given)) > 1 for given in several)
    across = sum(len(set(of)) > 1 for of in splits)
    return [f"{count:,}" for count in (len(groups), sum(map(len, groups)), across, leaked, len(several), differing)]


def _mean_auroc(ranking: Ranking, tried: Sequence[Trial]) -> Statistic:
    scored = [(ranking(trial.labels), trial.wrong) for trial in tried]
    return lambda counts: np.mean([auroc(scores, wrong, counts) for scores, wrong in scored], axis=0)


def _mean(values: Floats) -> str:
    return _estimate(*_with_draws(len(values), lambda counts: weighted_mean(values, counts)))


def _with_draws(faces: int, statistic: Statistic) -> tuple[float, Floats]:
    """A statistic of all faces, and of every bootstrap draw."""
    drawn = np.concatenate([statistic(counts) for counts in draw_counts(faces, DRAWS)])
    return float(statistic(np.ones((1, faces)))[0]), drawn


def _estimate(value: float, drawn: Floats, *, signed: bool = False) -> str:
    return estimate(value, percentile_interval(drawn), signed=signed)


def markdown(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def _cross_fit_report(audit: Audit, audited: AuditedFaces, faces: Faces, settings: Mapping[str, Sequence[Trial]], count: int) -> str:
    folds = folds_of(audited.copies.group[faces.rows].tolist(), count)
    ranking = cross_fit_rankings(features_of(labelled_pictures(audit, faces.rows), len(faces.rows)), folds)
    return label_table(faces, {f"{count} folds on frozen features": ranking}, settings)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--audit", type=Path, required=True, help="folder of an audit of FERPlus, whole pictures, with its own labels")
    parser.add_argument("--data", type=Path, required=True, help="the same FERPlus, for its votes")
    parser.add_argument("--seeds", type=int, default=5, help="times labels are flipped or drawn [%(default)s]")
    parser.add_argument("--cross-fit", type=int, default=None, metavar="K", help="measure cross-fitting in K folds, too [not measured]")
    arguments = parser.parse_args()
    audit = Audit(arguments.audit)
    audited = read_audited_faces(audit)
    splits = {split: read_faces(audit, audited, arguments.data, split) for split in SPLITS if split in audited.splits}
    test = splits["test"]
    settings = trials(test, arguments.seeds)
    print(f"## Labels, {len(test.labels):,} test faces\n\n{label_table(test, label_rankings(test), settings)}\n")
    print(f"{issue_table(test, settings)}\n")
    for split, faces in splits.items():
        disputed = {f"at most {DISPUTED} votes": [Trial(faces.labels, faces.disputed)]}
        print(f"Disputed labels, {split}\n\n{label_table(faces, label_rankings(faces), disputed)}\n", flush=True)
    print(f"## Hidden minor classes, test faces of other labels\n\n{hidden_table(test)}\n")
    print(f"## The mirror\n\n{mirror_table(audited, splits)}\n")
    print(f"## Copies\n\n{copies_table(audited)}\n", flush=True)
    if arguments.cross_fit is not None:
        report = _cross_fit_report(audit, audited, test, settings, arguments.cross_fit)
        print(f"## Cross-fitting, test faces alone\n\n{report}")


if __name__ == "__main__":
    main()
