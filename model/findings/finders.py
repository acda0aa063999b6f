"""The kinds of findings, each from the rows of an audit to issues, the worst first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from model.expressions import EXPRESSIONS, expression_index
from model.findings.confident_learning import Floats, label_issues
from model.findings.duplicates import BITS, exact_groups, near_copies
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
    groups = exact_groups(faces.digests)
    issues = [(_concern(faces, group), _copy("duplicate", faces, row, group, 1.0, "the same file as")) for group in groups for row in group]
    yield from (issue for _, issue in sorted(issues, key=lambda item: -item[0]))


def near_duplicates(faces: AuditedFaces) -> Iterator[Issue]:
    """Pictures that nearly match others; of exact copies only the first is compared, for all of them."""
    same = {group[0]: group for group in exact_groups(faces.digests)}
    copies = {row for group in same.values() for row in group[1:]}
    rows = np.array([row for row in np.flatnonzero(faces.usable).tolist() if row not in copies], dtype=np.int64)
    near = near_copies(faces.hashes[rows], faces.mirrored_hashes[rows])
    issues = []
    for members in near.groups():
        group = rows[members].tolist()
        concern = _concern(faces, [copy for row in group for copy in same.get(row, [row])])
        for row, bits, mirrored in zip(group, near.bits[members].tolist(), near.mirrored[members].tolist(), strict=True):
            said = "nearly the mirror image of" if mirrored else "nearly the same picture as"
            others = [copy for other in group if other != row for copy in same.get(other, [other])]
            issues.append((concern, _copy("near_duplicate", faces, row, [row, *others], 1 - bits / BITS, said)))
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


def _copy(kind: str, faces: AuditedFaces, row: int, group: Sequence[int], score: float, said: str) -> Issue:
    others = [other for other in group if other != row]
    named = ", ".join(_described(faces, other) for other in others[:_NAMED])
    more = f" and {len(others) - _NAMED} more" if len(others) > _NAMED else ""
    related = tuple(faces.ids[other] for other in others)
    return Issue(kind, row, score, f"{said} {named}{more}", _other_majority(faces, row, group), related)


def _described(faces: AuditedFaces, row: int) -> str:
    facts = [fact for fact in (_label(faces, row), faces.splits[row]) if fact is not None]
    return f"{faces.ids[row]} ({', '.join(facts)})" if facts else faces.ids[row]


def _other_majority(faces: AuditedFaces, row: int, group: Sequence[int]) -> str | None:
    """The label that more than half of the labelled copies have, where this one has another."""
    labels = faces.labels[list(group)]
    counts = np.bincount(labels[labels != UNLABELLED], minlength=len(EXPRESSIONS))
    commonest = int(counts.argmax())
    return EXPRESSIONS[commonest] if 2 * counts[commonest] > counts.sum() and commonest != faces.labels[row] else None


def _label(faces: AuditedFaces, row: int) -> str | None:
    label = int(faces.labels[row])
    return None if label == UNLABELLED else EXPRESSIONS[label]
