"""The paper-style figure: what is where, in which colour, in three formats."""

from __future__ import annotations

import io
import re
import subprocess
import sys
import warnings
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import matplotlib
import matplotlib.style
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.choices import ColourMap, FigureFormat, Scale, Sheet, Style
from app.drawing import figure, figure_bars, figure_texts
from app.drawing.figure import draw_figure
from app.explaining.maps import ExplainedFaces, FaceMaps, ModelMaps
from model.networks import Grid

DRAWN = {"defs", "style", "g", "path", "use", "image", "clipPath", "rect", "linearGradient", "stop"}
BLACK = np.zeros((48, 48), dtype=np.uint8)
HEAT = Style(ColourMap.JET, opacity=1.0)
USERS_OWN: list[dict[Any, Any]] = [
    dict(matplotlib.style.library["dark_background"]),
    {"image.origin": "lower"},
    {"savefig.bbox": "tight"},
    {"text.usetex": True},
]


def model_maps(name: str, maps: NDArray[np.float32], checkpoint: str = "") -> ModelMaps:
    bias = np.zeros(7, dtype=np.float32)
    return ModelMaps(name, checkpoint or name, ("fear", "disgust"), Grid(17, 16, 99), bias, maps.mean((2, 3)), maps)


def random_face(seed: int, label: str | None = None) -> FaceMaps:
    rng = np.random.default_rng(seed)
    original = rng.normal(size=(7, 5, 5))
    maps = np.stack([original, original[:, :, ::-1]]).astype(np.float32)
    picture = rng.integers(0, 256, (48, 48), dtype=np.uint8)
    return FaceMaps(picture, (model_maps("baseline", maps), model_maps("ours", 2 * maps, "mek_sf")), f"face {seed}", label)


def pixels(data: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def svg_texts(data: bytes) -> dict[str, str]:
    """Every text of an SVG figure, which matplotlib keeps as a comment before its outlines, and the style of its group."""
    return dict(re.findall(r"<!-- (.*?) -->\s*<g(?: style=\"(.*?)\")?", data.decode(), re.DOTALL))


def hottest(data: bytes) -> tuple[float, float]:
    """Centre (x, y) in inches of the dark red (the last colour of jet) of a figure, outside its colour bars and headings."""
    picture = pixels(data).astype(int)
    rows, columns = np.nonzero((picture[:, :, 0] > 100) & (picture[:, :, 1] < 20) & (picture[:, :, 2] < 20))
    inside = rows < picture.shape[0] - (figure_bars.ROW + figure.NOTE + figure.BLOCK_GAP) * figure.DOTS_AN_INCH
    return float(columns[inside].mean()) / figure.DOTS_AN_INCH, float(rows[inside].mean()) / figure.DOTS_AN_INCH


@pytest.mark.parametrize(("view", "row", "column"), [(0, 0, 0), (1, 0, 4), (1, 4, 2)])
def test_a_hot_cell_is_drawn_at_its_place_in_the_row_of_its_view(view: int, row: int, column: int) -> None:
    maps = np.zeros((2, 7, 5, 5), dtype=np.float32)
    maps[view, 3, row, column] = 25.0
    data = draw_figure(ExplainedFaces((FaceMaps(BLACK, (model_maps("only", maps),)),)), FigureFormat.PNG, HEAT)
    x, y = hottest(data)
    left = 0.08 + 0.36 + 0.8 + 0.1 + 3 * 0.84  # margin, names, face, gap, three maps before sadness
    top = 0.08 + 0.17 + view * 0.95  # margin, heading, and a row of picture and numbers
    # cell i is centred at pixel 17 + 16 i of 99; a border cell also fills the 17 pixels beyond it
    expected = [{0: 17 / 2, 2: 49, 4: 99 - 17 / 2}[index] / 99 * 0.8 for index in (column, row)]
    assert [x - left, y - top] == pytest.approx(expected, abs=0.04)


def test_the_face_is_mirrored_in_the_flipped_rows() -> None:
    half = BLACK.copy()
    half[:, :24] = 255
    picture = pixels(draw_figure(ExplainedFaces((replace(random_face(0), picture=half, caption=""),)), FigureFormat.PNG))
    left, right, middle = (round((0.44 + share * 0.8) * 240) for share in (0.2, 0.8, 0.5))
    for index, top in enumerate((0.25, 1.2, 2.2, 3.15)):
        line = picture[round((top + 0.4) * 240)].astype(int).mean(axis=1)
        assert (line[left] > 250) == (index % 2 == 0)
        assert (line[right] > 250) == (index % 2 == 1)
        assert abs(line[middle] - 128) < 40


def test_texts_name_models_classes_numbers_and_units() -> None:
    texts = svg_texts(draw_figure(ExplainedFaces((random_face(0, "surprise"),)), FigureFormat.SVG))
    assert {"face", "neutral", "anger", "baseline", "ours (mek_sf)", "original", "flipped", "face 0, label: surprise"} <= set(texts)
    assert {"baseline: logits per cell", "ours (mek_sf): logits per cell"} <= set(texts)
    probabilities = random_face(0).models[1].probabilities
    assert probabilities.sum(axis=1) == pytest.approx([1.0, 1.0])
    for value in probabilities[0]:
        assert f"p {value:.2f}" in texts
    # the flipped map is the exact mirror image
    assert any(text.endswith("r 1.00") for text in texts)


def test_label_is_red_and_minor_classes_are_green() -> None:
    texts = svg_texts(draw_figure(ExplainedFaces((random_face(0, "surprise"),)), FigureFormat.SVG))
    assert "#b3001b" in texts["surprise"]
    assert "#00692f" in texts["fear"] and "#00692f" in texts["disgust"]
    assert "#" not in texts["neutral"]
    labelled_fear = svg_texts(draw_figure(ExplainedFaces((random_face(0, "fear"),)), FigureFormat.SVG))
    assert "#b3001b" in labelled_fear["fear"] and "#" not in labelled_fear["surprise"]


def test_without_a_label_nothing_is_red() -> None:
    data = draw_figure(ExplainedFaces((random_face(0),)), FigureFormat.SVG).decode()
    assert "#b3001b" not in data and "Bold red" not in data


def test_a_flat_map_has_no_consistency() -> None:
    flat = FaceMaps(BLACK, (model_maps("only", np.ones((2, 7, 5, 5), dtype=np.float32)),))
    texts = svg_texts(draw_figure(ExplainedFaces((flat,)), FigureFormat.SVG))
    assert {text.split()[-1] for text in texts if text.startswith("p ") and " r " in text} == {"–"}


def test_bars_follow_the_scale() -> None:
    explained = ExplainedFaces((random_face(0),))
    one = svg_texts(draw_figure(explained, FigureFormat.SVG, Style(scale=Scale.ALL)))
    assert "all models: logits per cell" in one and "baseline: logits per cell" not in one
    each = svg_texts(draw_figure(explained, FigureFormat.SVG, Style(ColourMap.SIGNED, Scale.MAP)))
    assert {"-maximum", "0", "maximum", "each map on its own scale: logits per cell"} <= set(each)


def test_another_method_than_cam_does_not_claim_logits() -> None:
    texts = svg_texts(draw_figure(ExplainedFaces((random_face(0),), method="layercam"), FigureFormat.SVG))
    assert "baseline: layercam score" in texts
    highest = float(random_face(0).models[1].maps.max())
    ticks = [float(text) for text in texts if re.fullmatch(r"\d+(\.\d+)?", text)]
    assert 0.7 * highest < max(ticks) <= highest
    assert not any("logits per cell" in text or "cells sum" in text for text in texts)


@pytest.mark.parametrize("file_format", FigureFormat)
def test_equal_input_gives_equal_bytes_whatever_the_user_has_set(file_format: FigureFormat) -> None:
    explained = ExplainedFaces((random_face(0, "fear"),))
    usual = draw_figure(explained, file_format)
    assert draw_figure(explained, file_format) == usual
    for settings in USERS_OWN:
        with matplotlib.rc_context(settings):
            assert draw_figure(explained, file_format) == usual, settings


def test_formats_are_what_they_say() -> None:
    explained = ExplainedFaces((random_face(0),))
    pdf = draw_figure(explained, FigureFormat.PDF)
    assert pdf.startswith(b"%PDF-") and b"/FontFile2" in pdf and b"/Type3" not in pdf
    assert b"/CreationDate" not in pdf
    svg = draw_figure(explained, FigureFormat.SVG).decode()
    assert "<svg" in svg and "<text" not in svg and 'href="http' not in svg
    with Image.open(io.BytesIO(draw_figure(explained, FigureFormat.PNG))) as picture:
        assert picture.format == "PNG" and picture.width == int((0.08 + 0.36 + 0.8 + 0.1 + 7 * 0.84 - 0.04 + 0.08) * 240)


def inches(svg: bytes) -> tuple[float, float]:
    """Width and height of an SVG's page, which it gives in points."""
    page = ElementTree.fromstring(svg)
    width, height = (float(page.attrib[name].removesuffix("pt")) / 72 for name in ("width", "height"))
    return width, height


def test_a_width_asked_for_scales_the_page_and_its_texts_but_not_the_pixels() -> None:
    explained = ExplainedFaces((random_face(0),))
    usual, half = (draw_figure(explained, FigureFormat.SVG, None, Sheet(width=width, svg_text=True)) for width in (None, 3.5))
    unit = 3.5 / inches(usual)[0]
    assert inches(half) == pytest.approx((3.5, unit * inches(usual)[1]), rel=1e-3)
    largest = [max(float(size) for size in re.findall(r"font-size: ([\d.]+)px", svg.decode())) for svg in (usual, half)]
    assert largest[1] == pytest.approx(unit * largest[0], rel=1e-3)
    one, other = (draw_figure(explained, FigureFormat.PNG, None, Sheet(width=width)) for width in (None, 3.5))
    np.testing.assert_array_equal(pixels(one).shape, pixels(other).shape)
    with Image.open(io.BytesIO(other)) as picture:
        assert picture.width / picture.info["dpi"][0] == pytest.approx(3.5, abs=0.01)


def test_only_the_classes_asked_for_are_columns_and_set_the_limits() -> None:
    maps = np.zeros((2, 7, 5, 5), dtype=np.float32)
    maps[:, 0, 0, 0], maps[:, 5, 2, 2] = 250.0, 25.0
    explained = ExplainedFaces((FaceMaps(BLACK, (model_maps("only", maps),)),))
    two = draw_figure(explained, FigureFormat.SVG, None, Sheet(("fear", "disgust")))
    texts = svg_texts(two)
    assert {"fear", "disgust", "face"} <= set(texts) and "neutral" not in texts
    assert inches(two)[0] < 0.6 * inches(draw_figure(explained, FigureFormat.SVG))[0]
    assert "1" in texts and "10" not in texts  # the colour bar's end: 25 / 25 cells, not 250 / 25


def test_the_text_of_an_svg_is_kept_where_asked_for() -> None:
    svg = draw_figure(ExplainedFaces((random_face(0),)), FigureFormat.SVG, None, Sheet(svg_text=True))
    words = {"".join(text.itertext()).strip() for text in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert {"neutral", "disgust", "ours (mek_sf)"} <= words


def test_faces_are_rows_and_share_one_scale_a_model() -> None:
    weak = random_face(1)
    weak = replace(weak, models=tuple(replace(model, maps=model.maps * 0.1) for model in weak.models))
    one = pixels(draw_figure(ExplainedFaces((random_face(0),)), FigureFormat.PNG))
    two = pixels(draw_figure(ExplainedFaces((random_face(0), weak)), FigureFormat.PNG))
    assert two.shape[0] > 1.8 * one.shape[0]
    top = round(3.0 * 240)
    np.testing.assert_array_equal(two[:top], one[:top])


def test_more_faces_than_a_page_holds_go_on_in_a_pdf(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figure, "MAX_FACES_A_PAGE", 1)
    explained = ExplainedFaces((random_face(0), random_face(1)))
    assert len(re.findall(rb"/Type /Page\b", draw_figure(explained, FigureFormat.PDF))) == 2
    with pytest.raises(ValueError, match="at most 1 faces fit a PNG figure: ask for pdf"):
        draw_figure(explained, FigureFormat.PNG)


def test_more_models_leave_fewer_faces_a_page() -> None:
    many = replace(random_face(0), models=tuple(model_maps(f"model {number}", random_face(0).models[0].maps) for number in range(9)))
    with pytest.raises(ValueError, match="at most 10 faces fit a PNG figure"):
        draw_figure(ExplainedFaces((many,) * 11), FigureFormat.PNG)


def test_a_page_of_a_pdf_is_no_taller_than_readers_show() -> None:
    faces = ExplainedFaces((random_face(0),) * 14)
    pdf = draw_figure(faces, FigureFormat.PDF, None, Sheet(("fear",), width=8.5))
    heights = [float(height) / 72 for height in re.findall(rb"/MediaBox \[ 0 0 [\d.]+ ([\d.]+) \]", pdf)]
    assert len(heights) == 2 and max(heights) <= 200


def with_long_names(face: FaceMaps) -> FaceMaps:
    name = "efficientnet_b3.affectnet_fer2013_finetuned-epoch_30-a.b.c_seed0"
    models = tuple(replace(model, checkpoint=name, map_kind="approximate") for model in face.models)
    return replace(face, models=models, caption="20231030_" * 10)


def test_long_names_and_captions_keep_to_their_places() -> None:
    picture = pixels(draw_figure(ExplainedFaces((with_long_names(random_face(0, "fear")),)), FigureFormat.PNG, None, Sheet(("fear",))))
    assert (picture[:, -5:] == 255).all()
    first_ends = 0.08 + 0.18 + 0.17 + 2 * (0.8 + 0.15)  # margin, caption, heading, two rows
    between = picture[round((first_ends + 0.01) * 240) : round((first_ends + 0.04) * 240), : round(0.44 * 240)]
    assert between.size and (between == 255).all()


def test_a_label_is_drawn_however_long_the_caption() -> None:
    texts = svg_texts(draw_figure(ExplainedFaces((with_long_names(random_face(0, "fear")),)), FigureFormat.SVG, None, Sheet(("fear",))))
    assert any(text.startswith("20231030_") and text.endswith("…, label: fear") for text in texts)


def test_the_note_claims_no_sum_of_approximate_maps_and_tells_how_discs_are_read() -> None:
    exact, roughly = "sum to the class's logit less its bias. ", "those of approximate maps only roughly"
    usual, other = (
        " ".join(svg_texts(draw_figure(ExplainedFaces((face,)), FigureFormat.SVG, style)))
        for face, style in ((random_face(0), Style()), (with_long_names(random_face(0)), Style(ColourMap.DISCS)))
    )
    assert exact in usual and roughly not in usual and "disc" not in usual
    assert roughly in other and exact not in other and "A disc's area" in other


def test_the_names_of_models_leave_an_svg_readable() -> None:
    """Also the control characters that a file of maps from elsewhere may have in them, which XML takes nowhere."""
    face = FaceMaps(BLACK, (model_maps("a\x07\x1bb", np.zeros((2, 7, 5, 5), dtype=np.float32)),))
    root = ElementTree.fromstring(draw_figure(ExplainedFaces((face,)), FigureFormat.SVG))
    assert root.findtext("{*}title") == "Attention maps of a\ufffd\ufffdb on a face and its mirror image"


def test_faces_of_different_models_and_no_faces_are_refused() -> None:
    face = random_face(0)
    with pytest.raises(ValueError, match="same models"):
        draw_figure(ExplainedFaces((face, replace(face, models=face.models[:1]))), FigureFormat.PNG)
    with pytest.raises(ValueError, match="at least one face"):
        draw_figure(ExplainedFaces(()), FigureFormat.PNG)


def test_a_strange_caption_is_drawn_as_text() -> None:
    face = replace(random_face(0), caption="$\\frac{1}$ \u202e\ud800\n" + "x" * 300)
    texts = svg_texts(draw_figure(ExplainedFaces((face,)), FigureFormat.SVG))
    caption = next(text for text in texts if "frac" in text)
    assert "\u202e" not in caption and caption.endswith("…") and len(caption) == figure_texts.MAX_CAPTION


def test_characters_that_the_font_lacks_are_one_mark_each_and_no_warning() -> None:
    face = random_face(0)
    named = replace(face, caption="写真 🦊 é", models=(replace(face.models[0], name="模型", checkpoint="模型"),))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        texts = svg_texts(draw_figure(ExplainedFaces((named,)), FigureFormat.SVG))
    assert {"\ufffd\ufffd \ufffd é", "\ufffd\ufffd", "\ufffd\ufffd: logits per cell"} <= set(texts)


@pytest.mark.parametrize("strange", ["--><script>alert(1)</script>", "<img src=x onerror=alert(1)>&quot;\"'", "]]>"])
def test_markup_in_names_and_captions_stays_text(strange: str) -> None:
    """An SVG figure is a document of its own: what would run in it must not come from a name."""
    face = random_face(0)
    named = replace(face, caption=strange, models=tuple(replace(model, name=strange, checkpoint=strange) for model in face.models))
    root = ElementTree.fromstring(draw_figure(ExplainedFaces((named,)), FigureFormat.SVG))
    elements = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert elements <= {"svg", "metadata", "RDF", "Work", "type", "format", "creator", "Agent", "title", "date", *DRAWN}
    assert not [name for element in root.iter() for name in element.attrib if name.startswith("on")]


def test_drawing_needs_no_global_plotting_state() -> None:
    script = "import app.drawing.figure, sys; assert 'matplotlib.pyplot' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True)
