"""Each kind of finding on faces made to have it, and the files that hold them."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from model.auditing.manifest import AuditError
from model.auditing.parts import Audit, part_path
from model.errors import InputError
from model.findings.command import write_findings
from model.findings.confident_learning import Labels
from model.findings.cross_fit import cross_fitted, folds_of
from model.findings.faces import read_audited_faces
from model.findings.finders import (
    RELATED,
    doubtful_faces,
    duplicates,
    hidden_minor_class,
    mirror_changes,
    near_duplicates,
    unusable,
    wrong_labels,
)
from model.findings.issues import ISSUES_FILE, Issue, read_issues
from tests.made_findings import MadeFace, grey_face, write_audit


def ordinary(count: int = 8) -> list[MadeFace]:
    names = ("neutral", "happiness")
    return [MadeFace(f"plain{index}.png", names[index % 2], names[index % 2]) for index in range(count)]


def found(finder: object, folder: Path, *faces: MadeFace) -> list[Issue]:
    audited = read_audited_faces(Audit(write_audit(folder, [*ordinary(), *faces])))
    arguments = (audited.two_views[audited.labelled],) if finder is wrong_labels else ()
    return list(finder(audited, *arguments))  # type: ignore[operator]


def test_a_label_the_models_contradict_is_named_with_the_class_they_see(tmp_path: Path) -> None:
    wrong = MadeFace("wrong.png", "happiness", "neutral", sure=0.95)
    issues = found(wrong_labels, tmp_path, wrong, MadeFace("unlabelled.png", None, "happiness"))
    assert [(issue.row, issue.suggested_label) for issue in issues] == [(8, "neutral")]
    assert issues[0].score == pytest.approx(1 - 0.05 / 6)
    assert issues[0].explanation == "labelled happiness, which has 1% of the probability; neutral has 95%"


def test_a_minor_class_is_looked_for_in_faces_of_other_labels(tmp_path: Path) -> None:
    faces = [
        MadeFace("surprised.png", "surprise", "fear", sure=0.4),
        MadeFace("afraid.png", "fear", "fear"),
        MadeFace("none.png", None, "fear"),
    ]
    issues = found(lambda audited: hidden_minor_class(audited, "fear"), tmp_path, *faces)
    assert [issue.row for issue in issues] == [8]  # of ten 3 % are one, rounded up; those that are of the class are not hidden
    assert issues[0].explanation == "labelled surprise, but fear has 40% of the probability"


def test_an_answer_that_changes_in_the_mirror(tmp_path: Path) -> None:
    faces = [MadeFace("a.png", "anger", "anger", "sadness", sure=0.6), MadeFace("b.png", "anger", "anger", "fear", sure=0.9)]
    issues = found(mirror_changes, tmp_path, *faces)
    assert [issue.row for issue in issues] == [9, 8]
    assert issues[0].score == pytest.approx(0.9 - 0.1 / 6)
    assert issues[0].explanation == "anger (90%) as given, fear (90%) in the mirror"


def test_copies_across_splits_come_first_and_a_label_that_copies_outvote_is_told(tmp_path: Path) -> None:
    faces = [
        MadeFace("a.png", "anger", sha256="a" * 64),
        MadeFace("b.png", "anger", sha256="a" * 64),
        MadeFace("c.png", "fear", split="train", sha256="b" * 64),
        MadeFace("d.png", "anger", sha256="b" * 64),
        MadeFace("e.png", "anger", sha256="b" * 64),
    ]
    issues = found(duplicates, tmp_path, *faces)
    assert [(issue.row, issue.suggested_label) for issue in issues] == [(10, "anger"), (11, None), (12, None), (8, None), (9, None)]
    assert issues[0].explanation == "the same file as d.png (anger, test), e.png (anger, test)"
    assert issues[0].related == ("d.png", "e.png")


def test_a_copy_without_a_label_or_a_split_is_no_clash(tmp_path: Path) -> None:
    faces = [
        MadeFace("a.png", "anger", sha256="a" * 64),
        MadeFace("b.png", None, split=None, sha256="a" * 64),
        MadeFace("c.png", "anger", sha256="b" * 64),
        MadeFace("d.png", "fear", sha256="b" * 64),
    ]
    assert [issue.row for issue in found(duplicates, tmp_path, *faces)] == [10, 11, 8, 9]


def test_near_copies_and_mirror_images(tmp_path: Path) -> None:
    darker = (grey_face(100) * 0.9).astype(np.uint8)
    faces = [
        MadeFace("a.png", "anger", picture=grey_face(100), sha256="c" * 64),
        MadeFace("copy.png", "fear", picture=grey_face(100), sha256="c" * 64, split="train"),
        MadeFace("darker.png", "anger", picture=darker),
        MadeFace("mirror.png", "anger", picture=grey_face(0)[:, ::-1]),
    ]
    issues = found(near_duplicates, tmp_path, *faces)
    assert [issue.row for issue in issues[:2]] == [8, 10]  # through the copy they are in two splits
    assert {(issue.row, issue.explanation) for issue in issues} == {
        (8, "nearly the same picture as darker.png (anger, test)"),
        (10, "nearly the same picture as a.png (anger, test), copy.png (fear, train)"),
        (11, "nearly the mirror image of plain0.png (neutral, test)"),
        (0, "nearly the mirror image of mirror.png (anger, test)"),
    }


def test_of_a_group_only_the_nearest_is_said_to_be_alike(tmp_path: Path) -> None:
    """The first picture's nearest is its mirror image; the darker one is in the group, too, but mirrors nothing of the first."""
    darker = (grey_face(100) * 0.9).astype(np.uint8)
    faces = [
        MadeFace("a.png", "anger", picture=grey_face(100)),
        MadeFace("darker.png", "anger", picture=darker),
        MadeFace("mirror.png", "fear", picture=grey_face(100)[:, ::-1]),
    ]
    issues = found(near_duplicates, tmp_path, *faces)
    assert {(issue.row, issue.explanation, issue.related) for issue in issues} == {
        (
            8,
            "nearly the mirror image of mirror.png (fear, test); in one group with darker.png (anger, test)",
            ("mirror.png", "darker.png"),
        ),
        (9, "nearly the same picture as a.png (anger, test); in one group with mirror.png (fear, test)", ("a.png", "mirror.png")),
        (10, "nearly the mirror image of a.png (anger, test); in one group with darker.png (anger, test)", ("a.png", "darker.png")),
    }
    assert {issue.row: issue.suggested_label for issue in issues} == {8: None, 9: None, 10: "anger"}


def test_of_many_copies_the_first_are_named(tmp_path: Path) -> None:
    """Each naming all would be the square of their number."""
    copies = 3 * RELATED
    same = [MadeFace(f"{number}.png", "anger", picture=grey_face(100), sha256="a" * 64) for number in range(copies)]
    darker = MadeFace("darker.png", "anger", picture=(grey_face(100) * 0.9).astype(np.uint8))
    exact = found(duplicates, tmp_path / "exact", *same, darker)
    assert len(exact) == copies
    assert all(issue.related == tuple(f"{number}.png" for number in range(copies) if 8 + number != issue.row)[:RELATED] for issue in exact)
    named = "0.png (anger, test), 1.png (anger, test), 2.png (anger, test)"
    assert exact[-1].explanation == f"the same file as {named} and {copies - 4} more"
    near = {issue.row: issue for issue in found(near_duplicates, tmp_path / "near", *same, darker)}
    assert near.keys() == {8, 8 + copies}
    assert near[8 + copies].explanation == f"nearly the same picture as {named} and {copies - 3} more"
    assert len(near[8 + copies].related) == RELATED


def test_pictures_that_could_not_be_used_are_no_copies(tmp_path: Path) -> None:
    """Downloads that failed are all one empty file."""
    failed = [MadeFace(f"{number}.png", "anger", error="empty_upload: The file is empty.", sha256="e" * 64) for number in range(3)]
    assert found(duplicates, tmp_path / "exact", *failed) == found(near_duplicates, tmp_path / "near", *failed) == []


def test_what_the_detector_and_the_decoder_said(tmp_path: Path) -> None:
    faces = [
        MadeFace("sure.png", "anger", faces_found=1, detection_score=0.99),
        MadeFace("unsure.png", "anger", faces_found=1, detection_score=0.75),
        MadeFace("wall.png", "anger", error="no_face: No face was found."),
        MadeFace("broken.png", None, error="corrupt_image: The picture's data are damaged."),
        MadeFace("small.png", "anger", faces_found=0),
    ]
    assert [(issue.row, issue.score) for issue in found(doubtful_faces, tmp_path, *faces)] == [(9, 0.25)]
    without = [(issue.kind, issue.row, issue.score) for issue in found(unusable, tmp_path / "again", *faces)]
    assert without == [("no_face", 10, 1.0), ("unreadable", 11, 1.0), ("no_face", 12, 0.5)]


def test_the_files_hold_every_finding_and_every_face_shown(tmp_path: Path) -> None:
    faces = [
        *ordinary(),
        MadeFace("<wrong>.png", "happiness", "neutral", sure=0.95, split="train"),
        MadeFace("turned.png", "anger", "anger", "sadness"),
        MadeFace("broken.png", None, error="corrupt_image: The picture's data are damaged."),
    ]
    found = write_findings(write_audit(tmp_path, faces))
    assert "1 label" in found.told
    assert found.warning is not None
    assert "the labels of 1 of 10 faces were judged by models that may have been trained on them" in found.warning
    rows = read_issues(tmp_path).to_pylist()
    assert [row["rank"] for row in rows] == sorted(row["rank"] for row in rows)
    label = next(row for row in rows if row["kind"] == "label")
    assert (label["id"], label["row"], label["label"], label["suggested_label"], label["split"]) == (
        "<wrong>.png",
        8,
        "happiness",
        "neutral",
        "train",
    )
    page = (tmp_path / "report.html").read_text()
    assert "&lt;wrong&gt;.png" in page
    assert "<script" not in page
    assert not re.search(r"""(?:src|href)="(?!data:|#)""", page)
    assert page.count("data:image/png;base64,") == sum(row["kind"] != "unreadable" for row in rows)


@pytest.mark.parametrize(
    ("split", "may_be_learnt"),
    [("Training", True), ("TRAIN", True), (" train", True), (None, True), ("PublicTest", False), ("test", False)],
)
def test_faces_that_models_may_have_learnt_are_warned_of_however_the_split_is_spelled(
    split: str | None, may_be_learnt: bool, tmp_path: Path
) -> None:
    faces = [MadeFace("a.png", "anger", split=split), MadeFace("b.png", "fear", split="test")]
    warning = write_findings(write_audit(tmp_path, faces)).warning
    assert (warning is not None and "the labels of 1 of 2 faces" in warning) == may_be_learnt


def test_an_unfinished_audit_is_refused(tmp_path: Path) -> None:
    part_path(write_audit(tmp_path, ordinary()), 1).unlink()
    with pytest.raises(AuditError, match="1 of 2 parts are missing: run the audit again to finish it"):
        write_findings(tmp_path)


def test_a_folder_without_issues_says_how_to_write_them(tmp_path: Path) -> None:
    with pytest.raises(AuditError, match="unturned audit --report"):
        read_issues(tmp_path)
    pq.write_table(Audit(write_audit(tmp_path, ordinary())).table(["id"]), tmp_path / ISSUES_FILE)
    with pytest.raises(AuditError, match="has other columns"):
        read_issues(tmp_path)


def test_copies_fall_into_one_fold_and_folds_are_of_one_size() -> None:
    identities = [str(index // 2) for index in range(200)]
    folds = folds_of(identities, 5)
    assert (folds[::2] == folds[1::2]).all()
    assert np.bincount(folds).tolist() == [40] * 5
    for count in (1, 101):
        with pytest.raises(InputError, match="--cross-fit"):
            folds_of(identities, count)


def test_near_copies_are_judged_by_a_classifier_that_has_seen_none_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures, faces = 20, list[MadeFace]()
    for number in range(pictures):
        picture = grey_face(100 + number)
        for copy in (picture, (picture * 0.9).astype(np.uint8), picture[:, ::-1]):
            faces.append(MadeFace(f"{len(faces)}.png", "anger", picture=copy))
    used: list[Labels] = []

    def recorded(features: np.ndarray, labels: Labels, folds: Labels) -> np.ndarray:
        used.append(folds)
        return np.full((len(labels), 7), 1 / 7)

    monkeypatch.setattr("model.findings.cross_fit.features_of", lambda parts, count: np.zeros((count, 1)))
    monkeypatch.setattr("model.findings.cross_fit.cross_fitted", recorded)
    write_findings(write_audit(tmp_path, faces), cross_fit=5)
    (folds,) = used
    of_pictures = folds.reshape(pictures, 3)
    assert (of_pictures == of_pictures[:, :1]).all()
    assert np.bincount(of_pictures[:, 0]).tolist() == [pictures // 5] * 5


def test_a_cross_fitted_face_is_judged_without_its_own_label() -> None:
    generator = np.random.default_rng(1)
    labels = np.repeat(np.arange(7), 20)
    features = (np.eye(7)[labels] * 4 + generator.normal(size=(140, 7))).astype(np.float32)
    folds = folds_of(range(140), 4)
    before = cross_fitted(features, labels, folds)
    assert (before.argmax(1) == labels).mean() > 0.9
    changed = np.where(folds == 2, (labels + 3) % 7, labels)
    after = cross_fitted(features, changed, folds)
    np.testing.assert_array_equal(after[folds == 2], before[folds == 2])
    assert not np.array_equal(after[folds != 2], before[folds != 2])
