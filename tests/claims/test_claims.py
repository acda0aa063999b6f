"""The claims: measures and verdicts on faces worked out by hand."""

from __future__ import annotations

import dataclasses
import json
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.testing import assert_close

from app.cli import main
from model.checkpoints import Checkpoint
from model.claims.command import figures_of, model_figures, run_claims, verdict_lines, with_shuffled_weights
from model.claims.comparison import Comparison, ModelFigures
from model.claims.measures import measure_accuracies, measure_claims
from model.claims.report import ClaimsError, FaceMean, Faithfulness, RoadFigures, combine, decide, load_claims
from model.data.faces import FaceSet
from model.data.ferplus import VOTE_COLUMNS, load_ferplus
from model.expressions import EXPRESSIONS
from model.measuring.bootstrap import draw_counts
from model.measuring.estimate import Estimate
from model.measuring.mirror import MirrorFigures, SplitOutputs, partners
from model.reference import ReferenceCheckpoint
from tests.made_checkpoints import make_metadata, quarter_geometry, random_classifier

CLASSES = len(EXPRESSIONS)
NEUTRAL, SURPRISE, ANGER, FEAR, DISGUST = (EXPRESSIONS.index(name) for name in ("neutral", "surprise", "anger", "fear", "disgust"))


def test_partners_are_other_faces_of_the_same_prediction() -> None:
    predicted = torch.tensor([3, 0, 3, 5, 3, 0, 3])
    partner = partners(predicted)

    assert partner[3] == -1
    for face in (0, 1, 2, 4, 5, 6):
        assert partner[face] != face
        assert predicted[partner[face]] == predicted[face]
    assert sorted(partner[[0, 2, 4, 6]].tolist()) == [0, 2, 4, 6]
    assert torch.equal(partner, partners(predicted))


def made_outputs() -> SplitOutputs:
    """Two faces, both predicted neutral, with 1x2 maps; the class fear of the first face is flat in the centred gauge."""
    maps = torch.zeros(2, CLASSES, 1, 2)
    maps[0, NEUTRAL] = torch.tensor([[4.0, 0.0]])
    maps[0, SURPRISE] = torch.tensor([[0.0, 4.0]])
    maps[1, NEUTRAL] = torch.tensor([[0.0, 4.0]])
    maps[1, ANGER] = torch.tensor([[4.0, 0.0]])
    logits = torch.zeros(2, CLASSES)
    logits[:, NEUTRAL] = 1.0
    # the mirror image of each face gives mirrored maps, so every map agrees with its own
    return SplitOutputs(logits, maps, maps.flip(-1), logits)


def test_figures_of_two_faces_by_hand() -> None:
    figures = figures_of(made_outputs(), np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]]))

    # Both cells of face 0 hold 4 in all, so centring takes 4/7 from every class: neutral (24/7, -4/7), surprise (-4/7, 24/7), others flat
    assert figures.predicted.tolist() == [NEUTRAL, NEUTRAL]
    assert figures.mirror.consistency[0, [NEUTRAL, SURPRISE]] == pytest.approx([1.0, 1.0])
    assert np.isnan(figures.mirror.consistency[0, [ANGER, FEAR]]).all()
    # against the other face, neutral's map points the other way and no other class varies in both
    assert figures.mirror.other_faces[:, NEUTRAL] == pytest.approx([-1.0, -1.0])
    assert np.isnan(np.delete(figures.mirror.other_faces, NEUTRAL, axis=1)).all()
    # the positive parts of neutral and surprise share no cell; flat negative maps have no positive part
    pair = list(combinations(range(CLASSES), 2)).index((NEUTRAL, SURPRISE))
    assert figures.overlap.shape == (2, 21)
    assert figures.overlap[0, pair] == pytest.approx(0.0)
    assert np.isnan(np.delete(figures.overlap[0], pair)).all()
    # the outer cell is the left one; a uniform map would have half there
    assert figures.periphery[0, [NEUTRAL, SURPRISE]] == pytest.approx([0.5, -0.5])
    assert figures.periphery[1, [NEUTRAL, ANGER]] == pytest.approx([-0.5, 0.5])


def test_the_inner_face_is_that_of_the_faces_measured_whatever_a_model_was_trained_on() -> None:
    images = torch.randint(0, 256, (3, 48, 48), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    faces = FaceSet(images, torch.arange(3), torch.zeros(3, len(VOTE_COLUMNS), dtype=torch.int64), ("a", "b", "c"))
    known = make_metadata("baseline")
    figures = [
        model_figures(ReferenceCheckpoint("made", metadata, "", random_classifier(1)), faces)
        for metadata in (known, known.model_copy(update={"geometry": quarter_geometry()}))
    ]
    np.testing.assert_array_equal(figures[0].periphery, figures[1].periphery)
    assert not np.isnan(figures[0].periphery).all()


def made_figures(seed: int, faces: int, **fields: Any) -> ModelFigures:
    generator = np.random.default_rng(seed)
    of_maps = ("consistency", "other_faces", "own_symmetry", "own_mirror_found", "own_mirror_found_coarse", "periphery", "log_odds")
    shapes: dict[str, tuple[int, ...]] = dict.fromkeys(of_maps, (faces, CLASSES))
    shapes |= dict.fromkeys(("overlap", "minmax_overlap"), (faces, 21)) | dict.fromkeys(("changed_answers", "total_variation"), (faces,))
    values: dict[str, Any] = {name: generator.uniform(0.2, 0.4, size=shape) for name, shape in shapes.items()} | fields
    values["predicted"] = values["predicted_by_two"] = values.get("predicted", generator.integers(0, CLASSES, faces))
    of_mirror = {field.name: values.pop(field.name) for field in dataclasses.fields(MirrorFigures)}
    return ModelFigures(**values, mirror=MirrorFigures(**of_mirror))


def compare(figures: dict[str, ModelFigures], *, draws: int, baseline: str = "a", ours: str = "b") -> Comparison:
    faces = len(figures[baseline].predicted)
    return Comparison(figures, baseline, ours, tuple(draw_counts(faces, draws)))


def made_votes(faces: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels in turn, and eight votes for the label; every third face has two votes more for fear, every fourth for disgust."""
    labels = np.arange(faces) % CLASSES
    votes = np.zeros((faces, len(VOTE_COLUMNS)), dtype=np.int64)
    for face, label in enumerate(labels):
        votes[face, VOTE_COLUMNS.index(EXPRESSIONS[label])] += 8
    votes[::3, VOTE_COLUMNS.index("fear")] += 2
    votes[::4, VOTE_COLUMNS.index("disgust")] += 2
    return labels, votes


def test_a_model_better_in_everything_fulfils_the_claims_and_a_worse_one_does_not() -> None:
    labels, votes = made_votes(140)
    plain = made_figures(1, 140)
    foresight = plain.log_odds.copy()
    foresight[:, FEAR] = votes[:, VOTE_COLUMNS.index("fear")] + np.linspace(0, 0.5, 140)
    foresight[:, DISGUST] = votes[:, VOTE_COLUMNS.index("disgust")] + np.linspace(0, 0.5, 140)
    better = made_figures(
        1,
        140,
        consistency=plain.mirror.consistency + 0.5,
        overlap=plain.overlap - 0.2,
        minmax_overlap=plain.minmax_overlap - 0.2,
        periphery=plain.periphery + 0.2,
        log_odds=foresight,
    )
    claims = measure_claims(compare({"better": better, "plain": plain}, baseline="plain", ours="better", draws=200), labels, votes)
    reverse = measure_claims(compare({"better": better, "plain": plain}, baseline="better", ours="plain", draws=200), labels, votes)
    same = measure_claims(compare({"again": plain, "plain": plain}, baseline="plain", ours="again", draws=200), labels, votes)

    assert [claim.key for claim in claims] == ["flip_consistency", "minor_knowledge", "separation"]
    assert [claim.verdicts for claim in claims] == [{"better": "holds"}] * 3
    assert [claim.verdicts for claim in reverse] == [{"plain": "does not hold"}] * 3
    gain = next(measure for measure in claims[0].measures if measure.key == "consistency").differences["better"]
    assert gain.value == pytest.approx(0.5)
    assert gain.interval == pytest.approx((0.5, 0.5))
    # a model that is the baseline: every difference is exactly 0, on no side
    assert {measure.differences["again"].value for claim in same for measure in claim.measures} == {0.0}


def test_accuracies_and_their_differences_by_hand() -> None:
    labels = np.array([NEUTRAL] * 8 + [FEAR] * 2)
    plain = made_figures(1, 10, predicted=np.full(10, NEUTRAL))
    ours = made_figures(1, 10, predicted=np.array([NEUTRAL] * 6 + [FEAR] * 4))
    overall, mean, *_ = measure_accuracies(compare({"a": plain, "b": ours}, draws=300), labels)

    # plain: 8 of 10; neutral 1, fear 0. ours: 8 of 10; neutral 6/8, fear 1. Classes without a face do not count.
    assert [overall.models[name].value for name in "ab"] == pytest.approx([0.8, 0.8])
    assert [mean.models[name].value for name in "ab"] == pytest.approx([0.5, 0.875])
    assert mean.differences["b"].value == pytest.approx(0.375)
    assert overall.verdicts == {"b": "undecided"}


def test_minor_knowledge_counts_only_major_labels() -> None:
    labels, votes = made_votes(140)
    plain = made_figures(1, 140)
    claim = measure_claims(compare({"a": plain, "b": plain}, draws=50), labels, votes)[1]
    major = ~np.isin(labels, [FEAR, DISGUST])
    positive = votes[:, VOTE_COLUMNS.index("fear")] >= 2

    assert claim.samples["faces with a major label"] == 100
    assert claim.samples["of them with 2 votes or more for fear"] == sum(major & positive)
    measures = {(measure.key, measure.expression): measure for measure in claim.measures}
    expected = roc_auc_score(positive[major], plain.log_odds[major, FEAR])
    assert measures["auroc", "fear"].models["a"].value == pytest.approx(expected)
    bare = roc_auc_score(positive[major], labels[major] == SURPRISE)
    assert measures["auroc", "fear"].reference == pytest.approx(bare)
    recall = np.mean(plain.predicted[labels == FEAR] == FEAR)
    assert measures["recall", "fear"].models["a"].value == pytest.approx(recall)
    (points, _) = claim.points
    assert [labels[face] for face in points.faces] == labels[major].tolist()
    assert points.marked == tuple(positive[major].tolist())


def test_periphery_looks_only_at_classes_without_a_vote() -> None:
    labels, votes = np.array([NEUTRAL, ANGER]), np.zeros((2, len(VOTE_COLUMNS)), dtype=np.int64)
    votes[0, :] = 1
    votes[0, VOTE_COLUMNS.index("fear")] = 0
    votes[1, :] = 1
    periphery = np.full((2, CLASSES), 100.0)
    periphery[0, FEAR] = 0.25
    plain = made_figures(1, 2, periphery=periphery)
    claim = measure_claims(compare({"a": plain, "b": plain}, draws=5), labels, votes)[2]

    measure = next(measure for measure in claim.measures if measure.key == "periphery")
    assert measure.models["a"].value == pytest.approx(0.25)
    assert claim.samples["maps of classes without a vote"] == 1


def test_undefined_figures_are_null_and_left_out_of_points() -> None:
    consistency = np.full((3, CLASSES), np.nan)
    consistency[0, 0], consistency[0, 1], consistency[1, 0] = 0.2, 0.4, 0.6
    plain = made_figures(1, 3, consistency=consistency, other_faces=np.full((3, CLASSES), np.nan))
    claim = measure_claims(compare({"a": plain, "b": plain}, draws=20), *made_votes(3))[0]
    measures = {(measure.key, measure.expression): measure.models["a"] for measure in claim.measures}

    # neutral (.2 + .6) / 2, happiness .4, the other classes undefined: (.4 + .4) / 2
    assert measures["consistency", None].value == pytest.approx(0.4)
    assert measures["consistency_class", EXPRESSIONS[2]] == Estimate(value=None, interval=None)
    assert measures["floor", None] == Estimate(value=None, interval=None)
    assert measures["null_share", None].value == pytest.approx(18 / 21)
    assert claim.points[0].faces == (0, 1)
    assert claim.points[0].baseline == (0.3, 0.6)


def test_shuffled_weights_are_the_same_numbers_elsewhere() -> None:
    classifier = random_classifier(3)
    shuffled = with_shuffled_weights(classifier)
    for before, after in zip(classifier.parameters(), shuffled.parameters(), strict=True):
        assert_close(before.flatten().sort().values, after.flatten().sort().values, atol=0, rtol=0)
    images = torch.rand(2, 3, 67, 67, generator=torch.Generator().manual_seed(1)) * 255
    assert not torch.allclose(classifier(images).logits, shuffled(images).logits)
    assert_close(classifier(images).logits, random_classifier(3)(images).logits)  # the original is left as it was


def test_shuffled_weights_stand_beside_the_controls_as_a_reference() -> None:
    labels, votes = made_votes(30)
    figures = {"a": made_figures(1, 30), "b": made_figures(2, 30)}
    lost = made_figures(3, 30, own_mirror_found=np.full((30, CLASSES), 0.25)).mirror
    claim = measure_claims(compare(figures, draws=20), labels, votes, lost)[0]
    found = next(measure for measure in claim.measures if measure.key == "own_mirror_found")
    assert (found.reference, found.reference_title) == (0.25, "ours with its weights shuffled")


def test_a_model_is_set_against_plain_training_of_its_own_length() -> None:
    short, long = made_figures(1, 40), made_figures(2, 40)
    figures = {"baseline": long, "baseline_10": short, "ours": long, "other": short}
    comparison = Comparison(figures, "baseline", "ours", tuple(draw_counts(40, 50)), {"baseline_10": "baseline_10", "other": "baseline_10"})
    measure = comparison.measure("k", "t", "higher", lambda f, counts: counts @ f.mirror.consistency[:, 0])
    assert set(measure.differences) == {"ours", "other"}
    assert measure.differences["other"] == measure.differences["ours"] == Estimate(value=0.0, interval=(0.0, 0.0))


def test_agreement_that_comes_with_more_symmetry_is_called_by_its_name() -> None:
    plain = made_figures(1, 60)
    agreeing = plain.mirror.consistency + 0.5
    symmetric = made_figures(1, 60, consistency=agreeing, own_symmetry=plain.mirror.own_symmetry + 0.3)
    specific = made_figures(1, 60, consistency=agreeing, own_symmetry=plain.mirror.own_symmetry - 0.3)
    labels, votes = made_votes(60)
    figures = {"plain": plain, "symmetric": symmetric, "specific": specific}
    claim = measure_claims(compare(figures, baseline="plain", ours="specific", draws=100), labels, votes)[0]
    assert claim.verdicts == {"symmetric": "holds", "specific": "holds"}
    assert claim.verdict_of("symmetric") == "holds, mostly through symmetry"
    assert claim.verdict_of("specific") == "holds"


def test_models_are_drawn_alike() -> None:
    faces = 200
    noise = np.random.default_rng(0).normal(size=(faces, CLASSES))
    plain, shifted = made_figures(1, faces, consistency=noise), made_figures(1, faces, consistency=noise + 0.01)
    comparison = Comparison({"a": plain, "b": shifted}, "a", "b", tuple(draw_counts(faces, 100)))
    measure = comparison.measure("k", "t", "higher", lambda figures, counts: counts @ figures.mirror.consistency[:, 0] / faces)

    low, high = measure.models["a"].interval or (0.0, 0.0)
    assert high - low > 0.1
    assert measure.differences["b"].interval == pytest.approx((0.01, 0.01))
    assert measure.verdicts == {"b": "holds"}


@pytest.mark.parametrize(
    ("interval", "higher", "lower"),
    [
        ((0.1, 0.2), "holds", "does not hold"),
        ((-0.2, -0.1), "does not hold", "holds"),
        ((-0.1, 0.1), "undecided", "undecided"),
        ((0.0, 0.2), "undecided", "undecided"),
        ((0.0, 0.0), "undecided", "undecided"),
        (None, "undecided", "undecided"),
    ],
)
def test_verdicts_follow_the_interval(interval: tuple[float, float] | None, higher: str, lower: str) -> None:
    estimate = Estimate(value=None, interval=interval)

    assert decide(estimate, "higher") == higher
    assert decide(estimate, "lower") == lower


def test_a_claim_holds_only_if_all_its_parts_do() -> None:
    assert combine(["holds", "holds"]) == "holds"
    assert combine(["holds", "undecided"]) == "undecided"
    assert combine(["holds", "undecided", "does not hold"]) == "does not hold"
    assert combine([]) == "undecided"


def test_a_missing_or_damaged_report_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClaimsError, match="unturned claims"):
        load_claims(tmp_path)
    (tmp_path / "claims.json").write_text("{}")
    with pytest.raises(ClaimsError, match=r"claims\.json: field"):
        load_claims(tmp_path)


def make_small_ferplus(folder: Path, source: Path, faces: int) -> Path:
    """The first test faces of the real dataset, as a folder of the same form."""
    whole = load_ferplus(source, "test")
    pictures = folder / "FER2013Test"
    pictures.mkdir(parents=True)
    lines = [",".join(["Usage", "Image name", *VOTE_COLUMNS])]
    for index in range(faces):
        cv2.imwrite(str(pictures / whole.names[index]), whole.images[index].numpy())
        lines.append(",".join(["PrivateTest", whole.names[index], *map(str, whole.votes[index].tolist())]))
    (folder / "fer2013new.csv").write_text("\n".join(lines) + "\n")
    return folder


def made_faithfulness(checkpoints: dict[str, Checkpoint], sample: FaceSet) -> Faithfulness:
    figure = FaceMean(mean=0.5, interval=(0.25, 0.75))
    figures = dict.fromkeys(("map", "random", "gain", "removing_highest", "removing_lowest"), figure)
    models = {name: RoadFigures(checkpoint=checkpoint.name, **figures) for name, checkpoint in checkpoints.items()}
    return Faithfulness(rule="made", faces=len(sample), models=models, differences={})


@pytest.mark.dataset
def test_the_command_writes_a_report_that_is_the_same_each_time(
    tmp_path: Path,
    random_checkpoints: Path,
    ferplus_zip: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data, out = make_small_ferplus(tmp_path / "data", ferplus_zip, 150), tmp_path / "claims.json"
    monkeypatch.setattr("model.claims.command.code_revision", lambda: "some revision")
    monkeypatch.setattr("model.claims.command.measure_faithfulness", made_faithfulness)
    assert run_claims(data, random_checkpoints, out, "unturned claims", draws=20, faithfulness=False) == 0
    first = json.loads(out.read_text())
    assert run_claims(data, random_checkpoints, out, "unturned claims", draws=20) == 0
    again = json.loads(out.read_text())
    report = load_claims(tmp_path)

    assert report.faithfulness is not None
    assert (list(report.faithfulness.models), report.faithfulness.faces) == (["baseline", "mek_sf"], report.faces)
    assert first == again | {"faithfulness": None}
    assert (report.baseline, report.ours) == ("baseline", "mek_sf")
    assert report.faces == len(load_ferplus(data, "test").labelled())
    assert {len(claim.verdicts) for claim in report.claims} == {1}
    assert verdict_lines(report) in capsys.readouterr().out


def test_a_verdict_is_told_against_the_model_that_it_was_measured_against() -> None:
    report = load_claims(Path(__file__).parents[2] / "checkpoints")
    told = {name: verdict_lines(report.model_copy(update={"ours": name})).splitlines()[0] for name in ("cac", "mek")}
    assert told["cac"].endswith("cac against baseline: holds")
    assert told["mek"].endswith("mek against baseline_10: holds, mostly through symmetry")


@pytest.mark.dataset
def test_positives_and_bare_rules_of_the_test_split_are_the_known_ones(ferplus_zip: Path) -> None:
    faces = load_ferplus(ferplus_zip, "test").labelled()
    labels, votes = faces.labels.numpy(), faces.votes.numpy()
    plain = made_figures(1, len(labels))
    claim = measure_claims(compare({"a": plain, "b": plain}, draws=1), labels, votes)[1]

    assert claim.samples["of them with 2 votes or more for fear"] == 140
    assert claim.samples["of them with 2 votes or more for disgust"] == 41
    rules = {measure.expression: measure.reference for measure in claim.measures if measure.key == "auroc"}
    assert rules["fear"] == pytest.approx(0.81, abs=0.005)
    assert rules["disgust"] == pytest.approx(0.75, abs=0.005)


def test_claims_of_other_checkpoints_do_not_replace_those_of_the_shipped_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def measure(_data: Path, _checkpoints: Path, out: Path, _command: str) -> int:
        written.append(out)
        return 0

    monkeypatch.setattr("model.claims.command.run_claims", measure)
    for more in ([], ["--checkpoints", "mine"], ["--checkpoints", "mine", "--out", "other.json"]):
        assert main(["claims", "--data", "ferplus.zip", *more]) == 0
    assert written == [Path("checkpoints/claims.json"), Path("mine/claims.json"), Path("other.json")]
