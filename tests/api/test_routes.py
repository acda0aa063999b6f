"""The REST API in process, with the real decoder, detector and networks (of random weights)."""

from __future__ import annotations

import base64
import io
import math
import re
import struct
import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema_rs
import numpy as np
import pytest
import scipy.special
from fastapi.testclient import TestClient
from PIL import Image

from app.api import examples as api_examples
from app.api import routes as api
from app.drawing.saved_maps import read_maps
from app.explaining import service
from app.explaining.explainer import Explainer
from app.explaining.loading import load_explainer
from app.explaining.service import Service
from app.settings import Settings
from model.data.ferplus import load_ferplus
from model.expressions import EXPRESSIONS
from tests.api_calls import EXPLANATIONS, code, explain, made_face, png, post
from tests.made_checkpoints import make_checkpoint
from tests.made_explainers import reference_explainer

VIEWS = ("original", "flipped")


@pytest.fixture(scope="module")
def explainer(random_checkpoints: Path) -> Explainer:
    return load_explainer(Settings(checkpoint_dir=random_checkpoints))


def test_the_answer_has_the_form_of_the_contract(client: TestClient, astronaut_jpeg: bytes) -> None:
    response = post(client, astronaut_jpeg)
    answer = response.json()
    assert list(answer) == ["request_id", "image", "faces_found", "warnings", "faces"]
    assert answer["request_id"] == response.headers["x-request-id"]
    assert (answer["image"], answer["faces_found"], answer["warnings"]) == ({"width": 512, "height": 512}, 1, [])
    (face,) = answer["faces"]
    assert list(face) == ["box", "score", "landmarks", "crop", "source", "summary", "most_changed", "explanations"]
    assert face["source"] == "detected" and 0.9 < face["score"] <= 1
    left, top, width, height = face["box"]
    for name, (x, y) in face["landmarks"].items():
        assert name in {"left_eye", "right_eye", "nose", "mouth_left", "mouth_right"}
        assert left < x < left + width and top < y < top + height
    assert face["landmarks"]["left_eye"][0] < face["landmarks"]["right_eye"][0]
    assert face["crop"][2] == face["crop"][3]
    assert {name: said["checkpoint"] for name, said in face["explanations"].items()} == {"baseline": "baseline", "ours": "mek_sf"}
    said = face["explanations"]["ours"]
    assert list(said) == [
        "checkpoint", "classes", "minor_classes", "predicted", "predicted_flipped", "total_variation", "two_views", "bias", "grid",
        "logits", "probabilities", "map_kind", "maps", "consistency", "cues",
    ]  # fmt: skip
    assert said["classes"] == list(EXPRESSIONS) and said["minor_classes"] == ["fear", "disgust"]
    assert said["grid"] == {"first": 17, "step": 16, "input": 99}
    assert list(said["consistency"]) == list(EXPRESSIONS)
    assert [list(said["consistency"][name]) for name in EXPRESSIONS] == [["pearson", "mse", "relative_mse", "iou", "own_symmetry"]] * 7
    assert [cue["class"] for cue in said["cues"]] == ["fear", "disgust"]
    assert all(list(cue) == ["class", "place", "evidence", "share", "peak", "mirror_agrees", "sentence"] for cue in said["cues"])


@pytest.mark.parametrize("gauge", ["centred", "trained"])
def test_the_identity_holds_on_the_answer_itself(client: TestClient, astronaut_jpeg: bytes, gauge: str) -> None:
    for said in explain(client, astronaut_jpeg, gauge=gauge)["faces"][0]["explanations"].values():
        for view in VIEWS:
            for index, cells in enumerate(said["maps"][view]):
                values = [value for row in cells for value in row]
                assert len(values) == 25
                assert math.fsum(values) / 25 + said["bias"][index] == pytest.approx(said["logits"][view][index], abs=1e-5)
            exponents = [math.exp(logit - max(said["logits"][view])) for logit in said["logits"][view]]
            assert said["probabilities"][view] == pytest.approx([value / sum(exponents) for value in exponents], abs=1e-6)
        assert said["predicted"] == EXPRESSIONS[int(np.argmax(said["logits"]["original"]))]
        assert said["predicted_flipped"] == EXPRESSIONS[int(np.argmax(said["logits"]["flipped"]))]
        changes = [abs(face - mirrored) for face, mirrored in zip(*said["probabilities"].values(), strict=True)]
        assert said["total_variation"] == pytest.approx(sum(changes) / 2, abs=1e-6)
        mean = np.mean([said["logits"][view] for view in VIEWS], axis=0)
        assert said["two_views"]["probabilities"] == pytest.approx(scipy.special.softmax(mean), abs=1e-6)
        assert said["two_views"]["predicted"] == said["classes"][int(np.argmax(mean))]


def test_own_symmetry_is_the_correlation_with_the_maps_own_mirror_image(client: TestClient, astronaut_jpeg: bytes) -> None:
    said = explain(client, astronaut_jpeg)["faces"][0]["explanations"]["ours"]
    for index, name in enumerate(EXPRESSIONS):
        cells = np.array(said["maps"]["original"][index])
        expected = np.corrcoef(cells.ravel(), cells[:, ::-1].ravel())[0, 1]
        assert said["consistency"][name]["own_symmetry"] == pytest.approx(expected, abs=1e-5)


def test_two_names_of_one_network_are_answered_with_a_notice(client: TestClient, astronaut_jpeg: bytes) -> None:
    assert "same_network" in explain(client, astronaut_jpeg, models="ours,mek_sf")["warnings"]
    assert explain(client, astronaut_jpeg)["warnings"] == []


def test_a_dataset_face_sent_whole_is_what_the_network_was_trained_on(client: TestClient, explainer: Explainer) -> None:
    face = made_face()
    answer = explain(client, png(face), crop="whole", models="baseline")
    assert answer["faces"][0]["source"] == "whole" and answer["faces"][0]["score"] is None and answer["faces"][0]["landmarks"] is None
    expected = explainer.explain(face[None], explainer.resolve(["baseline"]))[0]["baseline"].maps
    served = answer["faces"][0]["explanations"]["baseline"]
    for view, maps, logits in zip(VIEWS, expected.maps, expected.logits, strict=True):
        np.testing.assert_array_equal(np.array(served["maps"][view], np.float32), maps)
        np.testing.assert_array_equal(np.array(served["logits"][view], np.float32), logits)


@pytest.mark.dataset
def test_a_ferplus_file_sent_whole_gives_the_tensor_that_training_reads(
    client: TestClient, explainer: Explainer, ferplus_zip: Path
) -> None:
    faces = load_ferplus(ferplus_zip, "valid")
    with zipfile.ZipFile(ferplus_zip) as archive:
        members = {Path(name).name: name for name in archive.namelist()}
        for index in range(3):
            answer = explain(client, archive.read(members[Path(faces.names[index]).name]), crop="whole", models="baseline")
            served = answer["faces"][0]["explanations"]["baseline"]["logits"]["original"]
            face = faces.images[index : index + 1].numpy()
            expected = explainer.explain(face, explainer.resolve(["baseline"]))[0]["baseline"].maps.logits[0]
            np.testing.assert_array_equal(np.array(served, np.float32), expected)


def test_base64_is_the_same_numbers(client: TestClient, astronaut_jpeg: bytes) -> None:
    lists = explain(client, astronaut_jpeg)["faces"][0]["explanations"]["ours"]["maps"]
    encoded = explain(client, astronaut_jpeg, encoding="base64")["faces"][0]["explanations"]["ours"]["maps"]
    for view in VIEWS:
        assert (encoded[view]["dtype"], encoded[view]["shape"]) == ("<f4", [7, 5, 5])
        values = struct.unpack(f"<{7 * 25}f", base64.b64decode(encoded[view]["data"], validate=True))
        assert np.array(lists[view], np.float32).ravel().tolist() == list(values)


def test_a_mirrored_picture_swaps_the_views(client: TestClient, astronaut_jpeg: bytes) -> None:
    pixels = np.asarray(Image.open(io.BytesIO(astronaut_jpeg)))[20:220, 120:320]
    given, mirrored = (
        explain(client, png(np.ascontiguousarray(p)), crop="whole")["faces"][0]["explanations"] for p in (pixels, pixels[:, ::-1])
    )
    for name in ("baseline", "ours"):
        for view, other in (VIEWS, VIEWS[::-1]):
            np.testing.assert_allclose(mirrored[name]["maps"][view], given[name]["maps"][other], atol=1e-4)
            np.testing.assert_allclose(mirrored[name]["logits"][view], given[name]["logits"][other], atol=1e-4)


def test_the_same_request_has_the_same_answer(client: TestClient, astronaut_jpeg: bytes) -> None:
    answers = [explain(client, astronaut_jpeg) for _ in range(2)]
    assert len({answer.pop("request_id") for answer in answers}) == 2
    assert answers[0] == answers[1]


def test_many_at_once_get_their_own_answers(client: TestClient) -> None:
    pictures = [png(made_face(seed)) for seed in range(4)]
    serial = [explain(client, picture, crop="whole")["faces"] for picture in pictures]
    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(lambda index: explain(client, pictures[index % 4], crop="whole")["faces"], range(64)))
    assert all(answer == serial[index % 4] for index, answer in enumerate(answers))


@pytest.mark.parametrize("value", [0, 255])
def test_a_picture_without_a_face(client: TestClient, value: int) -> None:
    blank = png(np.full((200, 300), value, np.uint8))
    assert code(post(client, blank)) == (422, "no_face")
    answer = explain(client, blank, crop="whole")  # JSON has no NaN: this would not have parsed
    assert answer["faces"][0]["source"] == "whole"


def test_a_given_crop_is_cut_out(client: TestClient, explainer: Explainer) -> None:
    canvas = np.zeros((300, 400), np.uint8)
    canvas[100:148, 200:248] = made_face()
    face = explain(client, png(canvas), crop="200,100,48,48", models="baseline")["faces"][0]
    assert (face["source"], face["crop"]) == ("given", [200, 100, 48, 48])
    expected = explainer.explain(made_face()[None], explainer.resolve(["baseline"]))[0]["baseline"].maps.logits[0]
    np.testing.assert_array_equal(np.array(face["explanations"]["baseline"]["logits"]["original"], np.float32), expected)


def test_the_crop_of_an_answer_asks_for_its_face_again(client: TestClient, astronaut_jpeg: bytes) -> None:
    (face,) = explain(client, astronaut_jpeg, models="baseline")["faces"]
    crop = ",".join(map(str, face["crop"]))
    (again,) = explain(client, astronaut_jpeg, models="baseline", crop=crop)["faces"]
    assert (again["source"], again["crop"]) == ("given", face["crop"])
    assert again["explanations"]["baseline"]["maps"] == face["explanations"]["baseline"]["maps"]
    assert post(client, astronaut_jpeg, "/explain", crop=crop).status_code == 200


@pytest.mark.parametrize("query", ["crop=1,2", "models=nobody", "models=ours,ours"])
@pytest.mark.parametrize("path", [EXPLANATIONS, "/api/v1/figures", "/api/v1/maps"])
def test_a_query_is_refused_before_the_picture_is_read(client: TestClient, path: str, query: str) -> None:
    answer = client.post(f"{path}?{query}", content=b"no form")
    assert code(answer) == (422, "invalid_parameter")


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "layercam", "hirescam"])
def test_maps_of_other_methods_come_with_a_warning(client: TestClient, method: str) -> None:
    answer = explain(client, png(made_face()), crop="whole", method=method)
    assert "maps_scaled_one_by_one" in answer["warnings"]
    cells = np.array(answer["faces"][0]["explanations"]["ours"]["maps"]["original"])
    assert cells.min() >= 0 and cells.max() <= 1


def test_a_number_that_is_not_finite_is_never_served(client: TestClient, tmp_path: Path) -> None:
    broken = make_checkpoint(tmp_path / "broken.safetensors", 0)
    broken.classifier.head.weight[0, 0] = math.inf
    service: Service = client.app.state.service  # type: ignore[attr-defined]
    whole = service.loaded_pipeline()
    service.pipeline = replace(whole, explainer=reference_explainer({"broken": broken}, "broken"))
    try:
        response = post(client, png(made_face()), crop="whole", models="broken")
    finally:
        service.pipeline = whole
    assert code(response) == (500, "non_finite_output")


@pytest.mark.parametrize(
    ("name", "kind", "start"), [("png", "image/png", b"\x89PNG"), ("svg", "image/svg+xml", b"<?xml"), ("pdf", "application/pdf", b"%PDF-")]
)
def test_figures(client: TestClient, astronaut_jpeg: bytes, name: str, kind: str, start: bytes) -> None:
    response = post(client, astronaut_jpeg, "/api/v1/figures", format=name, colours="jet", scale="all", opacity=0.3)
    assert response.status_code == 200 and response.headers["content-type"] == kind
    assert response.content.startswith(start)
    assert response.headers["content-disposition"] == f'attachment; filename="unturned.{name}"'


def test_a_figure_of_some_classes_has_the_width_asked_for(client: TestClient) -> None:
    query = {"crop": "whole", "format": "svg", "svg_text": True, "classes": "disgust, fear", "width": 3.6}
    svg = post(client, png(made_face()), "/api/v1/figures", **query).text
    assert 'width="259.2pt"' in svg  # 3.6 inches of 72 points
    assert re.findall(r">(neutral|happiness|surprise|sadness|anger|fear|disgust)<", svg) == ["fear", "disgust"]


def test_a_figure_has_an_end(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds a number of faces times models, and says so where a picture has more."""
    monkeypatch.setattr(api, "MAX_FIGURE_BLOCKS", 1)
    query = {"path": "/api/v1/figures", "crop": "whole"}
    refused = post(client, png(made_face()), **query)
    assert code(refused) == (422, "invalid_parameter")
    assert "ask for fewer faces or models" in refused.json()["detail"]
    assert post(client, png(made_face()), models="ours", **query).status_code == 200


def test_figures_beyond_those_that_wait_are_refused_while_pictures_are_explained(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_FIGURES", 0)
    refused = post(client, png(made_face()), "/api/v1/figures", crop="whole")
    assert code(refused) == (503, "overloaded")
    assert refused.headers["retry-after"]
    explain(client, png(made_face()), crop="whole")


def test_maps_hold_what_the_explanation_says(client: TestClient, astronaut_jpeg: bytes) -> None:
    response = post(client, astronaut_jpeg, "/api/v1/maps", gauge="trained")
    assert response.headers["content-disposition"] == 'attachment; filename="unturned-maps.npz"'
    saved = read_maps(response.content)
    assert (saved.method, saved.gauge, len(saved.faces)) == ("cam", "trained", 1)
    assert saved.faces[0].picture.shape == (48, 48)
    explained = explain(client, astronaut_jpeg, gauge="trained")["faces"][0]["explanations"]
    for model in saved.faces[0].models:
        for view, maps in zip(VIEWS, model.maps, strict=True):
            np.testing.assert_array_equal(np.array(explained[model.name]["maps"][view], np.float32), maps)


def test_answers_and_examples_are_as_the_document_describes(client: TestClient, astronaut_jpeg: bytes) -> None:
    document = client.get("/openapi.json").json()

    def described(path: str, method: str) -> Any:
        schema = document["paths"][path][method]["responses"]["200"]["content"]["application/json"]["schema"]
        return jsonschema_rs.validator_for(schema | {"components": document["components"]})

    explanations = described(EXPLANATIONS, "post")
    explanations.validate(api_examples.EXPLANATION)
    for encoding in ("list", "base64"):
        explanations.validate(explain(client, astronaut_jpeg, encoding=encoding))
    with pytest.raises(jsonschema_rs.ValidationError):
        explanations.validate(api_examples.EXPLANATION | {"faces": [{}]})
    models = described("/api/v1/models", "get")
    models.validate(api_examples.MODELS)
    models.validate(client.get("/api/v1/models").json())
    described("/api/v1/samples", "get").validate(client.get("/api/v1/samples").json())
    for path in (EXPLANATIONS, "/api/v1/figures", "/api/v1/maps"):
        form = document["paths"][path]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert form["required"] == ["image"]
