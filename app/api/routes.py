"""The REST API, version 1: explanations, figures and maps of a picture; the models; the gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from app import metrics
from app.api.answers import explanation_answer, model_answer
from app.api.examples import EXPLANATION, MODELS
from app.api.schemas import Encoding, ExplanationResponse, Model, ModelList, Sample, SampleList
from app.choices import (
    COMPARED,
    FIGURE_INCHES,
    FIGURE_MEDIA_TYPES,
    MAX_FACES,
    ColourMap,
    FigureFormat,
    Gauge,
    MapMethod,
    Scale,
    Sheet,
    Style,
    class_names,
    model_names,
)
from app.detection.asked_crop import LONGEST_CROP_TEXT, parse_crop
from app.errors import ErrorCode, Problem
from app.explaining.mirror_floor import mirror_floor, mirror_floors
from app.explaining.options import ExplainOptions
from app.explaining.service import service_of
from app.http.uploads import IMAGE_FIELD, read_upload
from app.samples import MEDIA_TYPE, sample_index, sample_pictures
from model.expressions import EXPRESSIONS
from model.files.model_names import MODEL_NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.explaining.pipeline import ExplainedPicture

T = TypeVar("T")

router = APIRouter(prefix="/api/v1")

NUMBER = r"-?\d{1,6}(\.\d{1,20})?(e-\d{1,2})?"  # as answers have them
MAX_FIGURE_BLOCKS = 24  # rows of a face and its mirror image with one model's maps; as PNG 20 megapixels

UPLOAD_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [IMAGE_FIELD],
                    "additionalProperties": False,
                    "properties": {IMAGE_FIELD: {"type": "string", "format": "binary", "description": "A JPEG, PNG or WebP picture."}},
                }
            }
        },
    }
}


class PictureQuery(BaseModel):
    """What every request about a picture can choose."""

    model_config = ConfigDict(extra="forbid")

    models: str = Field(
        default=",".join(COMPARED),
        max_length=1024,
        json_schema_extra={"pattern": rf"^{MODEL_NAME}(,{MODEL_NAME}){{0,15}}$"},
        description="Names of models, each once, separated by commas; `ours` is the shipped one trained for agreement in the mirror.",
        examples=["baseline,ours"],
    )
    faces: int = Field(default=MAX_FACES, ge=1, le=MAX_FACES, description="Most faces explained, largest first.")
    method: MapMethod = Field(
        default=MapMethod.CAM,
        description="How maps are made. `cam` shares out the score, exactly where `map_kind` says so; maps of every other method are "
        "scaled to 0..1 one by one, so that only their shapes compare.",
    )
    crop: str = Field(
        default="detect",
        max_length=LONGEST_CROP_TEXT,
        json_schema_extra={"pattern": rf"^(detect|whole|{NUMBER},{NUMBER},{NUMBER},{NUMBER})$"},
        description="`detect` the faces, take the `whole` picture as one face, or the box `x,y,w,h` in pixels.",
        examples=["detect", "whole", "120,40,200,200"],
    )
    gauge: Gauge = Field(
        default=Gauge.CENTRED,
        description="`centred`: maps, logits and biases against the average class; `trained`: as the weights are.",
    )

    def options(self, most_faces: int) -> ExplainOptions:
        """What is asked for beside the models.

        Raises:
            Problem: ``invalid_parameter`` for a crop that is none.
        """
        return ExplainOptions(min(self.faces, most_faces), self.method, parse_crop(self.crop), self.gauge)

    def names(self) -> tuple[str, ...]:
        """The models asked for.

        Raises:
            Problem: ``invalid_parameter`` for one named twice.
        """
        try:
            return model_names(self.models)
        except ValueError as error:
            raise Problem(ErrorCode.INVALID_PARAMETER, f"{str(error).capitalize()}.", "/query/models") from error


class ExplanationQuery(PictureQuery):
    """Parameters of an explanation."""

    encoding: Encoding = Field(default=Encoding.LIST, description="Maps as nested lists, or as bytes in base64.")


class FigureQuery(PictureQuery):
    """Parameters of a figure."""

    format: FigureFormat = Field(default=FigureFormat.PNG, description="File format.")
    colours: ColourMap = Field(default=Style.colour_map, description="Colours; `signed` and `discs` show negative values, too.")
    scale: Scale = Field(
        default=Style.scale, description="Which maps share a colour scale: all of a `model`, `all`, or each `map` its own."
    )
    opacity: float = Field(default=Style.opacity, ge=0.0, le=1.0, allow_inf_nan=False, description="Share of the colour over the face.")
    classes: str = Field(
        default=",".join(EXPRESSIONS),
        max_length=64,
        json_schema_extra={"pattern": rf"^({'|'.join(EXPRESSIONS)})(,({'|'.join(EXPRESSIONS)})){{0,6}}$"},
        description="Expressions in columns, each once, separated by commas.",
        examples=["fear,disgust"],
    )
    width: float | None = Field(
        default=None,
        ge=FIGURE_INCHES[0],
        le=FIGURE_INCHES[1],
        allow_inf_nan=False,
        description="Inches; texts scale with it, the pixels of a PNG do not. By default texts have 6.5 points.",
    )
    svg_text: bool = Field(default=False, description="Keep the text of an SVG as text; else it is drawn as outlines.")

    def sheet(self) -> Sheet:
        """What the figure shows and how large it is.

        Raises:
            Problem: ``invalid_parameter`` for classes there are none of.
        """
        try:
            return Sheet(class_names(self.classes), self.width, self.svg_text)
        except ValueError as error:
            raise Problem(ErrorCode.INVALID_PARAMETER, f"{str(error).capitalize()}.", "/query/classes") from error


@router.post(
    "/explanations",
    tags=["explanations"],
    response_model=ExplanationResponse,
    responses={200: {"content": {"application/json": {"example": EXPLANATION}}}},
    openapi_extra=UPLOAD_BODY,
)
async def explain(request: Request, query: Annotated[ExplanationQuery, Query()]) -> Response:
    """What models look at on each face of a picture and on its mirror image: raw maps, their agreement, and cues of the minor classes.

    With the method `cam`, each map's mean plus the class's bias is its logit, of approximate maps about so. Nothing of the picture is kept.
    """
    request_id = request.scope["state"]["request_id"]

    def encoded(picture: ExplainedPicture) -> bytes:
        with metrics.stage("encode"):
            return explanation_answer(picture, request_id, query.encoding).model_dump_json().encode()

    return Response(await _answered(request, query, encoded), media_type="application/json")


@router.post(
    "/figures",
    tags=["explanations"],
    response_class=Response,
    responses={200: {"description": "The figure.", "content": {kind: {} for kind in FIGURE_MEDIA_TYPES.values()}}},
    openapi_extra=UPLOAD_BODY,
)
async def figure(request: Request, query: Annotated[FigureQuery, Query()]) -> Response:
    """The figure of the paper's supplement: each face and its mirror image in rows, the maps of the seven expressions in columns.

    It holds 24 faces times models, for example eight faces with three models.
    """
    sheet = query.sheet()
    explained = await _answered(request, query, lambda picture: picture.as_faces())
    blocks = sum(len(face.models) for face in explained.faces)
    if blocks > MAX_FIGURE_BLOCKS:
        detail = f"Faces times models would be {blocks}, and a figure holds {MAX_FIGURE_BLOCKS}: ask for fewer faces or models."
        raise Problem(ErrorCode.INVALID_PARAMETER, detail, "/query/models")
    style = Style(query.colours, query.scale, query.opacity)

    def drawn() -> bytes:
        from app.drawing.figure import draw_figure

        return draw_figure(explained, query.format, style, sheet)

    data = await service_of(request).drawer.draw(drawn)
    return _download(data, FIGURE_MEDIA_TYPES[query.format], f"unturned.{query.format}")


@router.post(
    "/maps",
    tags=["explanations"],
    response_class=Response,
    responses={200: {"description": "A NumPy archive.", "content": {"application/zip": {}}}},
    openapi_extra=UPLOAD_BODY,
)
async def maps(request: Request, query: Annotated[PictureQuery, Query()]) -> Response:
    """The raw maps as NPZ, with all that is needed to draw them again; `unturned figure` reads the file."""
    from app.drawing.saved_maps import save_maps

    data = await _answered(request, query, lambda picture: save_maps(picture.as_faces()))
    return _download(data, "application/zip", "unturned-maps.npz")


@router.get("/models", tags=["models"], responses={200: {"content": {"application/json": {"example": MODELS}}}})
async def models(request: Request) -> ModelList:
    """The checkpoints served, with all that is known of them: method, data, hyperparameters, accuracies."""
    service = service_of(request)
    explainer = service.loaded_pipeline().explainer
    floors = mirror_floors(service.settings, explainer.checkpoints)
    return ModelList(
        ours=explainer.ours, models=[model_answer(checkpoint, floors[name]) for name, checkpoint in explainer.checkpoints.items()]
    )


@router.get("/models/{name}", tags=["models"], responses={200: {"content": {"application/json": {"example": MODELS["models"][0]}}}})
async def model(request: Request, name: Annotated[str, Path(description="A checkpoint's name, or `ours`.")]) -> Model:
    """One checkpoint."""
    service = service_of(request)
    checkpoint = service.loaded_pipeline().explainer.find(name)
    if checkpoint is None:
        raise Problem(ErrorCode.MODEL_NOT_FOUND)
    return model_answer(checkpoint, mirror_floor(service.settings, checkpoint))


@router.get("/samples", tags=["samples"])
async def samples() -> SampleList:
    """Pictures in the public domain to try the models on: portraits, and one without a face."""
    kept = ("title", "alt", "credit", "licence", "crop")
    return SampleList(
        samples=[
            Sample(id=name, url=f"/api/v1/samples/{name}", **{key: about[key] for key in kept}) for name, about in sample_index().items()
        ]
    )


@router.get(
    "/samples/{sample_id:path}",
    tags=["samples"],
    response_class=Response,
    responses={200: {"description": "The picture.", "content": {MEDIA_TYPE: {}}}},
)
async def sample(sample_id: Annotated[str, Path(description="Of the gallery's list.")]) -> Response:
    """One picture of the gallery."""
    picture = sample_pictures().get(sample_id)
    if picture is None:
        raise Problem(ErrorCode.SAMPLE_NOT_FOUND)
    return Response(picture, media_type=MEDIA_TYPE)


async def _answered(request: Request, query: PictureQuery, make: Callable[[ExplainedPicture], T]) -> T:
    """What ``make`` makes of the picture explained; what is asked for is checked before the picture is received."""
    service = service_of(request)
    pipeline, options = service.loaded_pipeline(), query.options(service.settings.max_faces)
    models = pipeline.explainer.resolve(query.names())
    return await pipeline.answer(await read_upload(request), models, options, make)


def _download(data: bytes, media_type: str, name: str) -> Response:
    return Response(data, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})
