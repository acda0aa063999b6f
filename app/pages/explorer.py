"""The explorer: its live page, and results drawn by the server for browsers without JavaScript."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from app.choices import COMPARED, FIGURE_INCHES, ColourMap, FigureFormat
from app.detection.asked_crop import LONGEST_CROP_TEXT, Crop, parse_crop
from app.errors import ErrorCode, Problem, problem_headers
from app.explaining.mirror_floor import mirror_floors
from app.explaining.options import ExplainOptions
from app.explaining.sentences import WARNING_TEXTS
from app.explaining.service import service_of
from app.http.security import EXPLORER_POLICY, RESULT_POLICY
from app.http.uploads import read_upload
from app.pages.audited_faces import audited_face
from app.pages.dataset_faces import checked_index, face_browser, shows_faces
from app.pages.face_number import INDEX
from app.pages.first_result import first_result
from app.pages.templating import PageRoute, asset, render
from app.samples import Card, FaceCard, bare_gallery, face_gallery, gallery
from model.expressions import EXPRESSIONS

# the explorer may ask for the webcam, no other page may; its first result holds its pictures itself
_LIVE_HEADERS = {"Permissions-Policy": "camera=(self), microphone=(), geolocation=()", "Content-Security-Policy": EXPLORER_POLICY}
_STILL_HEADERS = {"Content-Security-Policy": RESULT_POLICY}
_METHOD_TITLES = {
    "cam": "CAM (exact)",
    "gradcam": "Grad-CAM",
    "gradcam++": "Grad-CAM++",
    "layercam": "Layer-CAM",
    "hirescam": "HiRes-CAM",
}
_COLOUR_TITLES = {
    "signed": "signed: red for, blue against",
    "discs": "cell by cell, as discs",
    "viridis": "smooth: viridis",
    "inferno": "smooth: inferno",
    "jet": "smooth: jet (as in papers)",
}

router = APIRouter(include_in_schema=False, route_class=PageRoute)
data_router = APIRouter(include_in_schema=False)  # what the explorer's script fetches: it reads problems as JSON


@router.get("/")
async def explorer(request: Request) -> Response:
    """The explorer, with its first result as soon as the models are loaded."""
    cards = _cards(request)
    first = await first_result(request, next(iter(cards.values())))
    context = _context(request, cards) | {"live": True, "first": first}
    return render(request, "explorer.html", context, headers=_LIVE_HEADERS)


@router.post("/explain")
async def explain_form(request: Request, crop: Annotated[str, Query(max_length=LONGEST_CROP_TEXT)] = "detect") -> Response:
    """The form's answer without JavaScript."""
    asked = parse_crop(crop)
    data = await read_upload(request)
    try:
        return await _still(request, data, asked)
    except Problem as problem:
        if problem.code is not ErrorCode.NO_FACE:
            raise
        return await _hand_crop(request, data, problem)


@router.post("/explain/crop")
async def explain_hand_crop(request: Request) -> Response:
    """The answer to the square that somebody drew without JavaScript."""
    service_of(request).loaded_pipeline()
    from app.pages.hand_crop import read_crop_form

    body = await request.body()
    return await _still(request, *await asyncio.to_thread(read_crop_form, body))


@router.get("/samples/{sample}")
async def explain_sample(request: Request, sample: str) -> Response:
    """A gallery picture explained by the server."""
    card = _linked(request, sample)
    return await _still(request, card.picture, parse_crop(card.crop))


@router.get(f"/faces/{INDEX}")
async def explain_face(request: Request, index: int) -> Response:
    """A test face of the data set explained by the server."""
    browser = await face_browser(request)
    return await _still(request, browser.picture(checked_index(browser, index)), "whole")


@router.get(f"/audit/{INDEX}")
async def explain_audited_face(request: Request, index: int) -> Response:
    """A face that an audit found something about, explained by the server."""
    return await _still(request, await audited_face(request, index), "whole")


@data_router.get("/explorer/start.json")
async def start(request: Request) -> Response:
    """What the page's script starts with: the models to choose from, and the colour tables of the renderer, 256 colours each as hex."""
    service = service_of(request)
    explainer = service.loaded_pipeline().explainer
    from app.drawing.colours import colour_table

    floors = mirror_floors(service.settings, explainer.checkpoints)
    models = [
        {"name": name, "mirror_floor": floors[name], "colour": checkpoint.metadata.colour, "face_size": checkpoint.metadata.face_size}
        for name, checkpoint in explainer.checkpoints.items()
    ]
    colours = {str(colour_map): colour_table(colour_map).tobytes().hex() for colour_map in ColourMap}
    return JSONResponse({"ours": explainer.ours, "models": models, "colours": colours})


@data_router.get("/explorer/samples/{sample}.json")
async def linked_sample(request: Request, sample: str) -> Response:
    """What the page's script shows of a link to a picture that is no card of its gallery."""
    card = _linked(request, sample)
    told = {"picture": asset(f"samples/{card.file}"), "crop": card.crop, "credit": card.source, "expression": card.expression}
    return JSONResponse(told)


async def _still(request: Request, data: bytes, crop: Crop) -> Response:
    service = service_of(request)
    pipeline, settings = service.loaded_pipeline(), service.settings
    from app.pages.without_javascript import still_result

    options = ExplainOptions(faces=settings.max_faces, crop=crop)
    floors = mirror_floors(settings, pipeline.explainer.checkpoints)
    models = pipeline.explainer.resolve(COMPARED)
    drawn = await pipeline.answer(data, models, options, lambda picture: still_result(picture, floors))
    return render(request, "explorer.html", _context(request, _cards(request)) | {"live": False, "still": drawn}, headers=_STILL_HEADERS)


async def _hand_crop(request: Request, data: bytes, problem: Problem) -> Response:
    """The page on which a square is drawn around a face that was not found."""
    pipeline = service_of(request).loaded_pipeline()
    from app.pages.hand_crop import crop_form

    image = await pipeline.decoder.decode(data)
    form = await pipeline.executor.run(lambda: crop_form(image))
    request.scope.setdefault("state", {})["error_code"] = problem.code  # for the access log
    return render(request, "no_face.html", {"section": "/", "form": form}, problem.code.status, _STILL_HEADERS | problem_headers(problem))


def _cards(request: Request) -> dict[str, Card]:
    return gallery(service_of(request).settings.checkpoint_dir, _compared(request))


def _linked(request: Request, name: str) -> Card:
    """What a link names: a card, even where a test face is shown in its place, or a bare picture, as other servers' galleries have them."""
    card = (bare_gallery() | _cards(request)).get(name)
    if card is None:
        raise Problem(ErrorCode.SAMPLE_NOT_FOUND)
    return card


def _compared(request: Request) -> dict[str, str]:
    """sha256 of the checkpoints that cards tell of; none while they are loading."""
    pipeline = service_of(request).pipeline
    models = {} if pipeline is None else pipeline.explainer.resolve(COMPARED)
    return {name: checkpoint.sha256 for name, checkpoint in models.items()}


def _context(request: Request, cards: dict[str, Card]) -> dict[str, Any]:
    service = service_of(request)
    dataset = shows_faces(service.settings)
    faces = face_gallery(service.settings.checkpoint_dir, _compared(request)) if dataset else {}
    shown: list[Card | FaceCard] = [faces.get(name, card) for name, card in cards.items()]
    return {
        "section": "/",
        "cards": shown,
        "dataset": dataset,
        "expressions": EXPRESSIONS,
        "warning_texts": WARNING_TEXTS,
        "methods": list(_METHOD_TITLES.items()),
        "colour_maps": list(_COLOUR_TITLES.items()),
        "formats": (FigureFormat.PDF, FigureFormat.SVG, FigureFormat.PNG),
        "inches": FIGURE_INCHES,
    }


router.include_router(data_router)
