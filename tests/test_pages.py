"""Pages without a browser: what they say, what they never contain, and the plots' arithmetic."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app import pages
from app.charts import interval_plot, scatter_plot, tick_text, tick_values
from app.compute import ComputePool
from app.errors import install_error_handlers
from app.explain import Cue, Explainer
from app.face_browser import FaceBrowser, Outcome, Wanted
from app.rendering import colour_table
from app.security import SecurityHeaders
from app.still_page import cue_sentence, share_text
from app.templating import STATIC
from model.checkpoints import load_checkpoint, load_manifest
from model.claims_report import CLAIMS_FILE, Claim, ClaimsReport, Estimate, Measure, MeasuredModel, PointSet, Verdict, save_claims
from model.data.ferplus import VOTE_COLUMNS, FaceSet
from model.expressions import EXPRESSIONS

PAGES = ("/", "/claims", "/results", "/models", "/models/ours", "/about")


def make_client(checkpoints: Path, tmp_path: Path) -> TestClient:
    """The pages alone, with loaded models and no data set; ``tmp_path`` is the folder that measurements are read from."""
    manifest = load_manifest(checkpoints)
    loaded = {name: load_checkpoint(checkpoints / entry.file) for name, entry in manifest.checkpoints.items()}
    app = FastAPI()
    app.include_router(pages.router)
    install_error_handlers(app)
    app.add_middleware(SecurityHeaders)
    app.state.settings = SimpleNamespace(datasets=None, checkpoint_dir=tmp_path, max_faces=8, body_limit_bytes=10 << 20)
    app.state.explainer = Explainer(loaded, manifest.ours)
    return TestClient(app)


@pytest.fixture
def client(random_checkpoints: Path, tmp_path: Path) -> TestClient:
    return make_client(random_checkpoints, tmp_path)


def make_report(shift: float) -> ClaimsReport:
    """Claims of made-up figures, in which ``ours`` has ``shift`` more flip consistency than the baseline, on 40 faces."""
    random = np.random.default_rng(5)
    verdict: Verdict = "holds" if shift > 0 else "does not hold"

    def estimate(value: float) -> Estimate:
        return Estimate(value=value, interval=(value - 0.02, value + 0.02))

    def measure(key: str, title: str, *, decides: bool) -> Measure:
        models = {"baseline": estimate(0.5), "ours": estimate(0.5 + shift)}
        differences = {"ours": estimate(shift)}
        return Measure(
            key=key, title=title, better="higher", decides=decides, models=models, differences=differences, verdicts={"ours": verdict}
        )

    baseline = random.uniform(0.2, 0.6, 40)
    points = PointSet(
        key="faces",
        title="Each face",
        quantity="flip consistency",
        faces=tuple(range(40)),
        baseline=tuple(baseline.tolist()),
        ours=tuple((baseline + shift + random.normal(0, 0.02, 40)).tolist()),
    )
    claim = Claim(
        key="flip_consistency",
        statement="Maps agree.",
        method="Correlation.",
        samples={"faces": 40},
        measures=(measure("consistency", "Mean flip consistency", decides=True),),
        verdicts={"ours": verdict},
        points=(points,),
    )
    return ClaimsReport(
        command="unturned claims --data X",
        revision="abc",
        dataset="ferplus",
        split="test",
        faces=40,
        draws=50,
        baseline="baseline",
        ours="ours",
        models={name: MeasuredModel(checkpoint=name, method=name, sha256="0") for name in ("baseline", "ours")},
        claims=(claim,),
        accuracies=(measure("overall", "Overall accuracy", decides=False),),
        faithfulness=None,
    )


@pytest.mark.parametrize("path", PAGES)
def test_no_page_needs_what_its_policy_forbids(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert "'unsafe-inline'" not in answer.headers["content-security-policy"]
    assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:", answer.text)
    assert not re.search(r"<script(?![^>]*\ssrc=)", answer.text)
    assert not re.search(r"""(src|href|action)=["'](https?:)?//""", answer.text)


@pytest.mark.parametrize("path", PAGES)
def test_every_static_file_a_page_names_is_there_with_its_fingerprint(client: TestClient, path: str) -> None:
    named = re.findall(r'"/static/([^"?]+)(\?v=[0-9a-f]{12})?"', client.get(path).text)
    assert named
    for name, fingerprint in named:
        assert (STATIC / name).is_file()
        assert fingerprint


def test_only_the_explorer_may_ask_for_the_camera(client: TestClient) -> None:
    assert "camera=(self)" in client.get("/").headers["permissions-policy"]
    assert "camera=()" in client.get("/about").headers["permissions-policy"]


def test_the_purpose_and_the_promise_are_on_the_page(client: TestClient) -> None:
    text = client.get("/").text
    assert "not for judging employees or pupils" in text
    assert "never stored" in text


def test_gallery_names_source_and_licence_of_every_picture(client: TestClient) -> None:
    index = json.loads((STATIC / "samples" / "index.json").read_bytes())
    about = client.get("/about").text
    for sample in index:
        assert re.fullmatch(r"[a-z0-9-]{1,64}", sample["id"])
        assert (STATIC / "samples" / sample["file"]).stat().st_size < 64 << 10
        assert not (STATIC / "samples" / sample["file"]).is_symlink()
        assert sample["credit"] in about
        assert sample["licence"].startswith("Public domain")
    assert {path.name for path in (STATIC / "samples").glob("*.jpg")} == {sample["file"] for sample in index}


def test_colour_tables_are_the_renderers(client: TestClient) -> None:
    tables = client.get("/explorer/colour-maps.json").json()
    assert set(tables) == {"viridis", "inferno", "jet", "diverging"}
    for name, coded in tables.items():
        assert bytes.fromhex(coded) == colour_table(name).tobytes()


@pytest.mark.parametrize(("path", "status"), [("/models/nope", 404), ("/samples/nope", 404), ("/faces", 404), ("/faces/1.png", 404)])
def test_problems_are_pages_with_their_status(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    assert "Go to the explorer" in answer.text


def test_models_that_still_load_give_503_with_retry_after(client: TestClient) -> None:
    del client.app.state.explainer  # type: ignore[attr-defined]
    answer = client.get("/models")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]


def test_unmeasured_pages_name_the_command(client: TestClient) -> None:
    assert "unturned claims" in client.get("/claims").text
    assert "unturned reproduce" in client.get("/results").text


@pytest.mark.parametrize(("shift", "verdict"), [(0.3, "holds"), (-0.3, "does not hold")])
def test_claims_page_says_what_was_measured_either_way(client: TestClient, tmp_path: Path, shift: float, verdict: str) -> None:
    report = make_report(shift)
    save_claims(tmp_path / CLAIMS_FILE, report)
    text = client.get("/claims").text
    first = re.search(r'href="#flip_consistency".*?<span class="badge \w+">([^<]+)<', text, re.DOTALL)
    assert first is not None
    assert first[1] == verdict
    value = report.claims[0].measures[0].models["ours"].value
    assert value is not None
    assert f"ours {value:.3f} [" in text
    assert "ROAD) was not measured yet" in text


def test_a_plots_faces_are_served_for_the_browser(client: TestClient, tmp_path: Path) -> None:
    report = make_report(0.1)
    save_claims(tmp_path / CLAIMS_FILE, report)
    points = report.claims[0].points[0]
    drawn = client.get(f"/claims/points/flip_consistency/{points.key}.json").json()
    assert drawn["faces"] == list(points.faces)
    assert client.get("/claims/points/flip_consistency/nope.json").status_code == 404


def test_model_page_shows_confusion_counts_and_training_counts(client: TestClient) -> None:
    metadata: Any = client.app.state.explainer.checkpoints["baseline"].metadata  # type: ignore[attr-defined]
    text = client.get("/models/baseline").text
    assert f"{metadata.training_counts['happiness']:,}" in text
    for count in metadata.metrics["test"]["confusion"][0]:
        assert f">{count}</td>" in text


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, ["0.00", "0.25", "0.50", "0.75", "1.00"]),
        (-7.0, 9.0, ["−10", "−5", "0", "5", "10"]),
        (0.81, 0.83, ["0.810", "0.815", "0.820", "0.825", "0.830"]),
        (0.4, 0.4, ["−0.25", "0.00", "0.25", "0.50", "0.75", "1.00"]),
    ],
)
def test_ticks_are_round_and_hold_both_ends(low: float, high: float, expected: list[str]) -> None:
    ticks = tick_values(low, high)
    assert ticks[0] <= low + 1e-9
    assert ticks[-1] >= high - 1e-9
    assert [tick_text(value, ticks) for value in ticks] == expected


def test_interval_plot_keeps_order_and_direction() -> None:
    measure = make_report(0.3).claims[0].measures[0]
    plot = interval_plot(measure, "ours")
    baseline, ours = plot.rows
    assert ours.dot > baseline.dot
    assert ours.low is not None
    assert ours.high is not None
    assert plot.left <= ours.low <= ours.dot <= ours.high <= plot.right
    assert (baseline.kind, ours.kind) == ("", "ours")


def test_scatter_puts_larger_values_of_ours_higher_and_marked_faces_apart() -> None:
    points = PointSet(
        key="k", title="t", quantity="q", faces=(3, 4), baseline=(0.0, 0.0), ours=(0.0, 1.0), marked=(False, True), marked_title="m"
    )
    plot = scatter_plot(points)
    (_, low), (_, high) = (map(float, re.fullmatch(r"M([\d.]+) ([\d.]+)h0", path).groups()) for path in (plot.plain, plot.marked))  # type: ignore[union-attr]
    assert high < low  # y runs downwards


@pytest.mark.parametrize(
    ("cue", "sentence"),
    [
        (
            Cue("fear", "mouth", 1.31, (3, 2), True),
            "ours finds 1.3 logits of evidence of fear at the mouth, and at the same place in the mirror image.",
        ),
        (
            Cue("disgust", "left brow", 0.04, (0, 1), False),
            "ours finds 0.04 logits of evidence of disgust at the left brow, but not at the same place in the mirror image.",
        ),
        (Cue("fear", None, 0.0, None, False), "ours finds no evidence of fear."),
    ],
)
def test_cues_are_plain_sentences(cue: Cue, sentence: str) -> None:
    assert cue_sentence("ours", cue) == sentence


def test_shares_never_round_to_certainty() -> None:
    shares = [0.0, 0.0001, 0.123, 0.9999, 1.0]
    assert [share_text(share).replace("\u00a0", " ") for share in shares] == ["0.0 %", "<0.1 %", "12.3 %", ">99.9 %", "100.0 %"]


def make_faces() -> FaceSet:
    """Three faces: surprise with two fear votes, surprise with one, fear itself."""
    votes = torch.zeros(3, len(VOTE_COLUMNS), dtype=torch.int64)
    for row, counts in enumerate([{"surprise": 7, "fear": 2}, {"surprise": 9, "fear": 1}, {"fear": 8, "surprise": 2}]):
        for name, count in counts.items():
            votes[row, VOTE_COLUMNS.index(name)] = count
    labels = torch.tensor([EXPRESSIONS.index(name) for name in ("surprise", "surprise", "fear")])
    images = torch.randint(0, 256, (3, 48, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    return FaceSet(images, labels, votes, ("a", "b", "c"))


def test_filters_find_minority_votes_and_disagreeing_models(random_checkpoints: Path) -> None:
    explainer = Explainer({name: load_checkpoint(random_checkpoints / f"{name}.safetensors") for name in ("baseline", "mek_sf")}, "mek_sf")
    first, second = explainer.checkpoints.values()
    browser = FaceBrowser(make_faces())
    assert browser.find(Wanted(seen="fear"), first, second) == [0]
    assert browser.find(Wanted(label="surprise"), first, second) == [0, 1]
    assert browser.find(Wanted(outcome=Outcome.NEITHER), first, second) == []  # nothing is known of the models yet
    pool = ComputePool(1, 60.0)
    for checkpoint in (first, second):
        asyncio.run(browser.predict(checkpoint, pool))
    pool.shutdown()
    for index in range(3):
        answers = explainer.explain(make_faces().images[index : index + 1].numpy(), ("baseline", "mek_sf"))[0]
        assert browser.prediction(index, first) == answers["baseline"].predicted
        assert browser.prediction(index, second) == answers["mek_sf"].predicted
        right = {name: answer.predicted == browser.label(index) for name, answer in answers.items()}
        only_second = index in browser.find(Wanted(outcome=Outcome.SECOND_ONLY), first, second)
        assert only_second == (right["mek_sf"] and not right["baseline"])
    assert browser.votes(0) == {"surprise": 7, "fear": 2}


@pytest.mark.dataset
def test_ferplus_browser_has_the_faces_annotators_disagreed_on(ferplus_zip: Path) -> None:
    browser = FaceBrowser.load(ferplus_zip)
    unused: Any = None
    assert len(browser) == 3137
    assert len(browser.find(Wanted(seen="disgust"), unused, unused)) == 41
    assert browser.picture(0).startswith(b"\x89PNG")
