"""The kinds of findings, each from the rows of an audit to issues, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np

from model.expressions import EXPRESSIONS, expression_index
from model.findings.confident_learning import Floats, label_issues
from model.findings.duplicates import BITS
from model.findings.faces import UNLABELLED, AuditedFaces
from model.findings.issues import Issue
from model.maps.measures import total_variation

KINDS = {
    "label": "The label is probably wrong.",
    "hidden": "A face of another label that may show a minor class.",
    "mirror": "The answer is another for the mirror image.",
    "duplicate": "The same file is there more than once.",
    "near_duplicate": "Nearly the same picture, or its mirror image, is there more than once.",
    "no_face": "The detector found no face.",
    "doubtful_face": "The detector was unsure of the face.",
    "unreadable": "The picture could not be used.",
}
LISTED_SHARE = 0.03  # of the faces that a score ranks, where nothing says how many are worth a look
NO_FACE = "no_face:"  # how the error of such a row begins
TAKEN_WHOLE_SCORE = 0.5  # of a picture as small as data sets' crops are, which often hold a face that is not found
_NAMED = 3  # other pictures named in an explanation
RELATED = 20  # other pictures kept with an issue: all of them would be the square of a file's copies


def find_issues(faces: AuditedFaces, out_of_sample: Floats) -> Iterator[Issue]:
    """Everything found, kind by kind.

    Args:
        out_of_sample: probabilities ``(K, L)`` of the K labelled faces by which labels are judged.
    """
    yield from wrong_labels(faces, out_of_sample)
    for name in faces.minor_classes:
        yield from hidden_minor_class(faces, name)
    yield from mirror_changes(faces)
    yield from duplicates(faces)
    yield from near_duplicates(faces)
    yield from doubtful_faces(faces)
    yield from unusable(faces)


def wrong_labels(faces: AuditedFaces, probabilities: Floats) -> Iterator[Issue]:
    """Labels that confident learning doubts, under out-of-sample probabilities ``(K, L)`` of the K labelled faces."""
    rows = faces.labelled
    labels = faces.labels[rows]
    found = label_issues(probabilities, labels)
    doubted = np.flatnonzero(found.wrong)
    for index in doubted[np.argsort(-found.score[doubted], kind="stable")]:
        label, likely = EXPRESSIONS[labels[index]], EXPRESSIONS[found.likely[index]]
        share, left = probabilities[index, found.likely[index]], probabilities[index, labels[index]]
        said = f"labelled {label}, which has {left:.0%} of the probability; {likely} has {share:.0%}"
        yield Issue("label", int(rows[index]), float(found.score[index]), said, likely)


def hidden_minor_class(faces: AuditedFaces, name: str) -> Iterator[Issue]:
    """Faces of another label, or without one of another answer, that are likeliest to show a minor class as well."""
    index = expression_index(name)
    answered = np.where(faces.labels == UNLABELLED, np.nan_to_num(faces.two_views).argmax(1), faces.labels)
    rows = np.flatnonzero(faces.usable & (answered != index))
    scores = faces.two_views[rows, index]
    for place in np.argsort(-scores, kind="stable")[: int(np.ceil(LISTED_SHARE * len(rows)))]:
        said = f"labelled {_label(faces, rows[place]) or 'not at all'}, but {name} has {scores[place]:.0%} of the probability"
        yield Issue(f"hidden_{name}", int(rows[place]), float(scores[place]), said, name)


def mirror_changes(faces: AuditedFaces) -> Iterator[Issue]:
    """Faces whose likeliest class is another in the mirror, by the total variation of the two answers."""
    rows = np.flatnonzero(faces.usable)
    face, mirror = faces.face[rows], faces.mirror[rows]
    here, there = face.argmax(1), mirror.argmax(1)
    variation = total_variation(face, mirror)
    changed = np.flatnonzero(here != there)
    for index in changed[np.argsort(-variation[changed], kind="stable")]:
        one, other = here[index], there[index]
        said = f"{EXPRESSIONS[one]} ({face[index, one]:.0%}) as given, {EXPRESSIONS[other]} ({mirror[index, other]:.0%}) in the mirror"
        yield Issue("mirror", int(rows[index]), float(variation[index]), said)


def duplicates(faces: AuditedFaces) -> Iterator[Issue]:
    """Pictures whose file is there more than once; those that cross splits or differ in their labels first."""
    issues = []
    for group in faces.copies.files.values():
        concern, majority = _concern(faces, group), _majority(faces, group)
        for row in group:
            others = [other for other in group[: RELATED + 1] if other != row][:RELATED]
            said = f"the same file as {_named(faces, others, len(group) - 1)}"
            issues.append((concern, Issue("duplicate", row, 1.0, said, _unlike(faces, row, majority), _ids(faces, others))))
    yield from (issue for _, issue in sorted(issues, key=lambda item: -item[0]))


def near_duplicates(faces: AuditedFaces) -> Iterator[Issue]:
    """Pictures that nearly match others; of exact copies only the first is told, for all of them."""
    copies = faces.copies
    near, issues = copies.near, []
    for members in near.groups():
        files = {row: copies.of_file(row) for row in copies.compared[members].tolist()}
        group = [copy for file in files.values() for copy in file]
        concern, majority = _concern(faces, group), _majority(faces, group)
        for member, row in zip(members, files, strict=True):
            # Only of the nearest is it known how it is like this one; the others hang together with it through any pictures.
            partner = int(copies.compared[near.partner[member]])
            nearest = files[partner]
            others = list(islice((copy for other in files if other not in (row, partner) for copy in files[other]), RELATED))
            more = len(group) - len(files[row]) - len(nearest)
            said = f"nearly the {'mirror image of' if near.mirrored[member] else 'same picture as'} {_named(faces, nearest, len(nearest))}"
            told = f"{said}; in one group with {_named(faces, others, more)}" if more else said
            related = _ids(faces, [*nearest, *others][:RELATED])
            score = 1 - float(near.bits[member]) / BITS
            issues.append((concern, Issue("near_duplicate", row, score, told, _unlike(faces, row, majority), related)))
    yield from (issue for _, issue in sorted(issues, key=lambda item: (-item[0], -item[1].score)))


def doubtful_faces(faces: AuditedFaces) -> Iterator[Issue]:
    """Of the faces that the detector found, those it was least sure of."""
    rows = np.flatnonzero(~np.isnan(faces.detection_scores))
    scores = faces.detection_scores[rows]
    for place in np.argsort(scores, kind="stable")[: int(np.ceil(LISTED_SHARE * len(rows)))]:
        yield Issue("doubtful_face", int(rows[place]), float(1 - scores[place]), f"detected with a score of {scores[place]:.2f}")


def unusable(faces: AuditedFaces) -> Iterator[Issue]:
    """Pictures that could not be read or used for want of a face, then those small enough to be taken whole where none was found."""
    for row, error in enumerate(faces.errors):
        if error is not None:
            yield Issue("no_face" if error.startswith(NO_FACE) else "unreadable", row, 1.0, error)
    for row in np.flatnonzero(faces.faces_found == 0).tolist():
        yield Issue("no_face", row, TAKEN_WHOLE_SCORE, "the detector found none, and the picture was taken whole")


def _concern(faces: AuditedFaces, group: Sequence[int]) -> int:
    """2 for copies in different splits, 1 for copies of different labels, and their sum for both; where none is told, nothing differs."""
    splits = {faces.splits[row] for row in group} - {None}
    labels = set(faces.labels[list(group)].tolist()) - {UNLABELLED}
    return 2 * (len(splits) > 1) + (len(labels) > 1)


def _named(faces: AuditedFaces, first: Sequence[int], count: int) -> str:
    """Some of ``count`` pictures, of which the ``first`` are given, with what is known of them."""
    named = ", ".join(_described(faces, row) for row in first[:_NAMED])
    return f"{named} and {count - _NAMED} more" if count > _NAMED else named


def _described(faces: AuditedFaces, row: int) -> str:
    facts = [fact for fact in (_label(faces, row), faces.splits[row]) if fact is not None]
    return f"{faces.ids[row]} ({', '.join(facts)})" if facts else faces.ids[row]


def _ids(faces: AuditedFaces, rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(faces.ids[row] for row in rows)


def _majority(faces: AuditedFaces, group: Sequence[int]) -> str | None:
    """The label that more than half of the labelled pictures of a group have."""
    labels = faces.labels[list(group)]
    counts = np.bincount(labels[labels != UNLABELLED], minlength=len(EXPRESSIONS))
    commonest = int(counts.argmax())
    return EXPRESSIONS[commonest] if 2 * counts[commonest] > counts.sum() else None


def _unlike(faces: AuditedFaces, row: int, majority: str | None) -> str | None:
    """The majority's label where the picture's is another."""
    return majority if majority != _label(faces, row) else None


def _label(faces: AuditedFaces, row: int) -> str | None:
    label = int(faces.labels[row])
    return None if label == UNLABELLED else EXPRESSIONS[label]
