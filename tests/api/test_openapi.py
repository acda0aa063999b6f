"""The API keeps to its own document, whatever is sent."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from app.api import openapi as documentation
from app.errors import ErrorCode
from app.http.limits import UPLOAD_PATHS
from app.main import create_app
from app.pages.templating import STATIC
from app.settings import Settings
from model.files.model_names import MODEL_NAME
from tests.live_server import LiveServer

# A document cannot ask for a picture with a face in it, so a valid form may still be refused for its picture.
CONFIGURATION = "".join(
    f"""
[[operations]]
include-path = "{path}"
checks.positive_data_acceptance.expected-statuses = ["2xx", "415", "422"]
"""
    for path in sorted(UPLOAD_PATHS)
)


@pytest.fixture(scope="module")
def application() -> FastAPI:
    return create_app(Settings())


def upload_parameters(application: FastAPI, name: str) -> list[dict[str, Any]]:
    """What is documented of a parameter, for every address that takes a picture."""
    paths: dict[str, Any] = application.openapi()["paths"]
    parameters = [each for path in UPLOAD_PATHS & paths.keys() for each in paths[path]["post"]["parameters"]]
    return [each["schema"] for each in parameters if each["name"] == name]


def test_every_name_that_a_model_can_have_may_be_asked_for(application: FastAPI) -> None:
    patterns = {each["pattern"] for each in upload_parameters(application, "models")}
    assert [re.fullmatch(pattern, "a+b,Net_1.5-x,ours") is not None for pattern in patterns] == [True]
    settings = (STATIC / "js" / "settings.js").read_text(encoding="utf-8")  # what the page takes from an address
    assert [f"  {side}: /^{MODEL_NAME}$/" in settings for side in ("first", "second")] == [True, True]


def test_every_crop_that_an_answer_can_have_may_be_asked_for(application: FastAPI) -> None:
    """Its numbers are written in full precision."""
    crop = ",".join(map(str, (-0.00012345678901234567, 1.4210854715202004e-14, 22360.679774997896, 22360.679774997896)))
    described = upload_parameters(application, "crop")
    assert [len(crop) <= each["maxLength"] and re.fullmatch(each["pattern"], crop) is not None for each in described] == [True] * 3


@pytest.mark.slow
def test_requests_as_documented_and_not(random_checkpoints: Path, tmp_path: Path) -> None:
    """All checks of schemathesis: only documented statuses and bodies, bad requests refused, methods not documented not allowed."""
    (tmp_path / "schemathesis.toml").write_text(CONFIGURATION)
    with LiveServer("-m", "app.cli", "serve", checkpoint_dir=random_checkpoints) as server:
        address = f"http://127.0.0.1:{server.wait_until_ready().port}/openapi.json"
        tool = Path(sys.executable).with_name("schemathesis")
        command: list[str | Path] = [
            tool,
            "--config-file",
            tmp_path / "schemathesis.toml",
            "run",
            address,
            "--checks",
            "all",
            "--seed",
            "1",
            "--max-examples",
            "10",
        ]
        ran = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=600)
        assert ran.returncode == 0, ran.stdout[-6000:]
        assert "generated" in ran.stdout
        assert not [line for line in server.log() if line["level"] == "error"]


def test_every_code_is_documented_where_it_occurs(application: FastAPI) -> None:
    document = application.openapi()
    assert set(document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"]) == set(ErrorCode)
    described = "".join(
        response["description"]
        for operations in document["paths"].values()
        for operation in operations.values()
        for response in operation["responses"].values()
    )
    assert [code for code in ErrorCode if f"`{code}`" not in described] == []


def test_probes_are_told_of_no_refusal_that_they_never_meet(application: FastAPI) -> None:
    paths = application.openapi()["paths"]
    assert {path: {"400", "401"} & paths[path]["get"]["responses"].keys() for path in ("/health/live", "/info")} == {
        "/health/live": {"400"},
        "/info": {"400", "401"},
    }
    assert "invalid_host" in paths["/info"]["get"]["responses"]["400"]["description"]
    assert "invalid_host" not in paths["/health/live"]["get"]["responses"]["400"]["description"]


def test_it_is_made_before_the_models_are_loaded_not_while_a_request_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every request looks into it."""
    application = create_app(Settings())
    application.state.service._prepare()
    monkeypatch.setattr(documentation, "describe", lambda app: pytest.fail("made again"))
    assert application.openapi()["paths"]


def test_a_key_is_documented_where_one_is_set(application: FastAPI) -> None:
    assert "securitySchemes" not in application.openapi()["components"]
    document = create_app(Settings(api_key="0123456789abcdef")).openapi()  # type: ignore[arg-type]
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    open_paths = {path for path, methods in document["paths"].items() for method in methods.values() if "security" not in method}
    assert open_paths == {"/health/live", "/health/ready"}


def test_every_upload_is_admitted_like_one(application: FastAPI) -> None:
    """A route that takes a body is known to the layers that bound it."""
    posts = {path for path, methods in _routes(application.routes) if "POST" in methods}
    assert posts == set(UPLOAD_PATHS)


def _routes(routes: Any) -> Any:
    for route in routes:
        if hasattr(route, "original_router"):
            yield from _routes(route.original_router.routes)
        elif not isinstance(route, Mount):
            yield route.path, route.methods
