"""Pages without a browser: what they say, and what they never contain."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html import unescape
from pathlib import Path

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.drawing.colours import colour_table
from app.explaining.loading import load_explainer
from app.explaining.sentences import WARNING_TEXTS
from app.http.error_handlers import install_error_handlers
from app.http.security import SecurityHeaders
from app.main import create_app
from app.pages import explorer
from app.pages import router as pages
from app.pages.state import PageState
from app.pages.templating import STATIC, problem_page, static_files, static_fingerprint
from app.samples import Card, FaceCard, sample_index
from app.settings import Settings
from model.claims.report import CLAIMS_FILE, Claim, ClaimsReport, Measure, MeasuredModel, PointSet, Verdict, save_claims
from model.measuring.estimate import Estimate
from tests.api_calls import code
from tests.live_server import ROOT
from tests.made_service import loaded_service

PAGES = ("/", "/tray", "/claims", "/results", "/models", "/models/ours", "/models/ours/certificate", "/about")


def make_client(checkpoints: Path, tmp_path: Path, models: Path | None = None) -> TestClient:
    """The pages alone, with loaded models and no data set; ``tmp_path`` is the folder that measurements are read from, ``models`` that of
    imported ones."""
    app = FastAPI()
    app.include_router(pages.router)
    install_error_handlers(app, problem_page)
    app.add_middleware(SecurityHeaders, settings=Settings())
    app.state.service = loaded_service(
        load_explainer(Settings(checkpoint_dir=checkpoints, models=models)), checkpoint_dir=tmp_path, models=models
    )
    app.state.pages = PageState()
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
        models={name: MeasuredModel(checkpoint=name, method=name, sha256=f"of {name}") for name in ("baseline", "ours")},
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
    named = re.findall(r'"/static/([0-9a-f]{12})?/?([^"?]+)"', client.get(path).text)
    assert named
    for fingerprint, name in named:
        assert name in static_files()
        assert fingerprint == static_fingerprint()


def test_the_explorer_asks_for_one_script_and_one_style_sheet(client: TestClient) -> None:
    named = re.findall(r'"/static/[0-9a-f]{12}/((?:js|css)/[^"]+)"', client.get("/").text)
    assert sorted(named) == ["css/explorer.bundle.css", "js/explorer.bundle.js", "js/theme.js"]


def test_only_the_explorer_may_ask_for_the_camera(client: TestClient) -> None:
    assert "camera=(self)" in client.get("/").headers["permissions-policy"]
    assert "camera=()" in client.get("/about").headers["permissions-policy"]


def test_the_purpose_and_the_promise_are_on_the_page(client: TestClient) -> None:
    text = client.get("/").text
    assert "not for judging employees or pupils" in text
    assert "never stored" in text


def test_no_test_face_is_said_to_be_in_the_public_domain(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "The pictures above are in the public domain" in client.get("/").text
    monkeypatch.setattr(explorer, "shows_faces", lambda settings: True)
    monkeypatch.setattr(explorer, "face_gallery", lambda *of: {"hopper": FaceCard(face=3, expression="fear", caption="A face", rule="")})
    assert "The pictures above, save the test faces of FERPlus, are in the public domain" in client.get("/").text


def test_a_picture_is_found_by_its_link_where_it_is_no_card(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """A link names a card's id: that of a story, of a bare picture elsewhere, or of a story in whose place a test face is shown here."""
    story = Card(**sample_index()["hopper"] | {"id": "fear", "crop": "1,2,40,40"}, caption="Told", expression="fear")
    monkeypatch.setattr(explorer, "gallery", lambda *of: {"fear": story})
    told = client.get("/explorer/samples/fear.json").json()
    assert (told["crop"], told["expression"]) == ("1,2,40,40", "fear")
    bare = client.get("/explorer/samples/noise.json").json()
    assert (bare["crop"], bare["expression"]) == ("whole", "")
    assert bare["picture"] == f"/static/{static_fingerprint()}/samples/noise.jpg"
    assert bare["credit"].endswith("Made for this project from random numbers. Public domain (CC0).")
    assert code(client.get("/explorer/samples/nobody.json")) == (404, "sample_not_found")


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
    tables = client.get("/explorer/start.json").json()["colours"]
    assert set(tables) == {"signed", "discs", "viridis", "inferno", "jet"}
    for name, coded in tables.items():
        assert bytes.fromhex(coded) == colour_table(name).tobytes()


def test_the_explorers_script_is_told_what_each_model_sees(client: TestClient) -> None:
    models = client.get("/explorer/start.json").json()["models"]
    assert [(model["name"], model["colour"], model["face_size"]) for model in models] == [
        ("baseline", "grey", 48),
        ("mek_sf", "grey", 48),
    ]


@pytest.mark.parametrize("path", ["/", "/tray"])
def test_a_page_holds_a_text_for_every_warning(client: TestClient, path: str) -> None:
    told = unescape(client.get(path).text)
    for warning, text in WARNING_TEXTS.items():
        assert f' data-{warning.replace("_", "-")}="{text}"' in told


@pytest.mark.parametrize(("path", "status"), [("/models/nope", 404), ("/samples/nope", 404), ("/faces", 404), ("/faces/1.png", 404)])
def test_problems_are_pages_with_their_status(client: TestClient, path: str, status: int) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-store"
    assert "Go to the explorer" in answer.text


def test_models_that_still_load_give_503_with_retry_after(client: TestClient) -> None:
    client.app.state.service.pipeline = None  # type: ignore[attr-defined]
    answer = client.get("/models")
    assert answer.status_code == 503
    assert answer.headers["retry-after"]
    assert code(client.get("/explorer/start.json")) == (503, "not_ready")  # by which the explorer knows to try again


# Serves pages before anything is loaded, where torch is there but cannot be imported, and prints where that was tried: on the loop, or
# beside it. To ask whether it is installed imports nothing.
IMPORTS = """
import asyncio, sys, threading
from importlib.machinery import ModuleSpec
import httpx2
from app.main import create_app
from app.settings import Settings

class Watch:
    def find_spec(self, name, path=None, target=None):
        return ModuleSpec(name, self) if name == "torch" else None

    def create_module(self, spec):
        tried.append((page, "loop" if threading.current_thread() is threading.main_thread() else "beside"))
        raise ImportError

    def exec_module(self, module):
        raise ImportError

async def ask():
    global page
    transport = httpx2.ASGITransport(create_app(Settings()), raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
        for page in sys.argv[1:]:
            await client.get(page)

tried = []
sys.meta_path.insert(0, Watch())
asyncio.run(ask())
page = "by itself"
try:
    import torch
except ImportError:
    print(tried)
"""


def test_no_page_imports_torch() -> None:
    """That takes seconds, and the pages are there where it is not installed."""
    paths = [*PAGES, "/explorer/start.json", "/faces", "/faces/1", "/supplement", "/supplement/anger.png"]
    command = [sys.executable, "-c", IMPORTS, *paths]
    output = subprocess.run(command, check=True, cwd=ROOT, capture_output=True, text=True).stdout
    assert output.splitlines()[-1] == "[('by itself', 'loop')]"


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
    assert not re.search(r"<th[^>]*></th>", text)  # a row without a name says nothing to who hears it


def test_a_plots_faces_are_served_for_the_browser(client: TestClient, tmp_path: Path) -> None:
    report = make_report(0.1)
    save_claims(tmp_path / CLAIMS_FILE, report)
    points = report.claims[0].points[0]
    drawn = client.get(f"/claims/points/flip_consistency/{points.key}.json").json()
    assert drawn["faces"] == list(points.faces)
    assert client.get("/claims/points/flip_consistency/nope.json").status_code == 404


@pytest.mark.parametrize("kind", ["", ".png", ".json"])
def test_numbers_of_thousands_of_digits_are_no_faces(client: TestClient, kind: str) -> None:
    assert code(client.get(f"/faces/{'1' * 5000}{kind}")) == (404, "not_found")


def test_no_script_makes_markup_of_text() -> None:
    """What comes from the API is put into the page as text or attributes only."""
    for path in (ROOT / "static" / "js").rglob("*.js"):
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\(", path.read_text()), path


def test_an_upload_over_the_limit_is_refused_with_a_page_where_a_browser_asks_for_one() -> None:
    """Before any route is come to, let alone the models loaded."""
    client = TestClient(create_app(Settings(allowed_hosts=("testserver",), body_limit_bytes=1 << 20)))
    content = b"x" * (1 << 20)
    page = client.post("/explain", files={"image": content}, headers={"accept": "text/html,*/*"})
    assert page.status_code == 413
    assert page.headers["content-type"].startswith("text/html")
    assert "At most 1 MiB can be sent" in page.text and "Go to the explorer" in page.text
    assert code(client.post("/explain", files={"image": content})) == (413, "body_too_large")
