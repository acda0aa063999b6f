"""What the parameters of the REST API may be, and how others are refused."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.api_calls import EXPLANATIONS, code, explain, made_face, png, post


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"models": "nope"}, "/query/models"), ({"models": "../x"}, "/query/models"), ({"models": ""}, "/query/models"),
        ({"models": "baseline,baseline"}, "/query/models"), ({"models": "baseline,"}, "/query/models"), ({"faces": 0}, "/query/faces"),
        ({"faces": 9}, "/query/faces"), ({"faces": "1e9"}, "/query/faces"), ({"faces": "NaN"}, "/query/faces"),
        ({"method": "scorecam"}, "/query/method"), ({"encoding": "xml"}, "/query/encoding"), ({"gauge": "mean"}, "/query/gauge"),
        ({"crop": "face"}, "/query/crop"), ({"crop": "1,2,3"}, "/query/crop"), ({"crop": "nan,0,9,9"}, "/query/crop"),
        ({"crop": "0,0,1,1"}, "/query/crop"), ({"crop": "9000,0,50,50"}, "/query/crop"), ({"top": "1e9"}, None),
    ],
)  # fmt: skip
def test_bad_parameters_are_refused_by_name(client: TestClient, query: dict[str, Any], pointer: str | None) -> None:
    response = post(client, png(made_face()), **query)
    assert code(response) == (422, "invalid_parameter")
    assert response.json().get("pointer") == pointer
    assert all(len(str(value)) < 4 or str(value) not in response.text for value in query.values())


@pytest.mark.parametrize(
    ("query", "rule"),
    [
        ({"faces": 9}, "faces: Input should be less than or equal to 8."),
        ({"faces": "many"}, "faces: Input should be a valid integer"),
        ({"gauge": "mean"}, "gauge: Input should be 'centred' or 'trained'."),
        ({"crop": "1,2,3"}, "crop is detect, whole or x,y,w,h in pixels"),
        ({"models": "nope"}, "There is no such model: GET /api/v1/models lists them."),
    ],
)
def test_a_refusal_says_what_the_parameter_may_be(client: TestClient, query: dict[str, Any], rule: str) -> None:
    assert post(client, png(made_face()), **query).json()["detail"].startswith(rule)


def test_spaces_around_the_names_of_models_do_no_harm(client: TestClient) -> None:
    answer = explain(client, png(made_face()), models="baseline, ours", crop="whole")
    assert list(answer["faces"][0]["explanations"]) == ["baseline", "ours"]


def test_a_parameter_given_twice_is_refused(client: TestClient) -> None:
    response = client.post(f"{EXPLANATIONS}?faces=1&faces=2", files={"image": ("picture", png(made_face()))})
    assert code(response) == (422, "invalid_parameter")


@pytest.mark.parametrize(
    "query",
    [
        {"format": "gif"}, {"opacity": "nan"}, {"opacity": 2}, {"colours": "rainbow"}, {"encoding": "list"}, {"classes": "joy"},
        {"classes": "fear,fear"}, {"classes": ""}, {"width": 0.1}, {"width": 9}, {"width": "nan"}, {"svg_text": "perhaps"},
    ],
)  # fmt: skip
def test_figures_refuse_what_they_do_not_know(client: TestClient, query: dict[str, Any]) -> None:
    assert code(post(client, png(made_face()), "/api/v1/figures", **query)) == (422, "invalid_parameter")


@pytest.mark.parametrize("query", ["corp=whole", "crop=whole&models=ours", "crop=whole&crop=whole"])
def test_the_form_refuses_what_it_does_not_know_as_the_api_does(client: TestClient, query: str) -> None:
    """With a page, since it was asked for one."""
    response = client.post(f"/explain?{query}", files={"image": ("picture", png(made_face()))})
    assert response.status_code == 422
    assert response.headers["content-type"].startswith("text/html")
    assert "Invalid parameter" in response.text


def test_what_senders_of_links_add_to_a_page_without_parameters_does_no_harm(client: TestClient) -> None:
    assert client.get("/about?utm_source=letter").status_code == 200


def test_what_every_site_is_asked_for_is_there(client: TestClient) -> None:
    """Nothing of a page: crawlers and browsers ask often."""
    robots, icon = client.get("/robots.txt"), client.get("/favicon.ico")
    assert (robots.status_code, robots.headers["content-type"]) == (200, "text/plain; charset=utf-8")
    assert "Disallow: /samples/" in robots.text.splitlines()
    assert (icon.status_code, icon.headers["content-type"]) == (200, "image/svg+xml")
    assert icon.content == client.get("/static/icons/favicon.svg").content
