"""The certificate of a model: how far its maps can be trusted, as a page, as JSON, as PDF and as a page of its own."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.errors import ErrorCode, Problem, unusable_file
from app.explaining.kept_certificates import certificate_files, kept_certificate, model_folders, read_certificate
from app.explaining.service import service_of
from app.numbers import decimal, measured
from app.pages.charts import step_plot
from app.pages.templating import PageRoute, render, templates
from model.certifying.report import SECTIONS, Certificate, CertificateError, Line
from model.importing.metadata import ImportedMetadata

if TYPE_CHECKING:
    from pathlib import Path

    from app.settings import Settings
    from model.importing.metadata import AnyCheckpoint

router = APIRouter(include_in_schema=False, route_class=PageRoute)
data_router = APIRouter(include_in_schema=False)  # files: their problems are JSON

BADGES = {"pass": "yes", "fail": "no", "undecided": "open"}  # names of the badges' colours


@router.get("/models/{name}/certificate")
async def certificate_page(request: Request, name: str) -> Response:
    """Every line with its figure, its control, its rule and its verdict."""
    checkpoint = _checkpoint(request, name)
    context = {"section": "/models", "name": checkpoint.name} | certified(service_of(request).settings, checkpoint)
    if context["found"] is not None:
        context |= _shown(context["found"])
    return render(request, "certificate.html", context)


@data_router.get("/models/{name}/certificate.json")
async def certificate_json(request: Request, name: str) -> Response:
    """The certificate as `unturned certify` wrote it."""
    return Response(f"{_found(request, name).model_dump_json(indent=1)}\n", media_type="application/json")


@data_router.get("/models/{name}/certificate.pdf")
async def certificate_pdf(request: Request, name: str) -> Response:
    """The certificate on paper."""
    data = await service_of(request).drawer.draw(partial(_drawn, _found(request, name)))
    headers = {"Content-Disposition": f'attachment; filename="{name}-certificate.pdf"'}
    return Response(data, media_type="application/pdf", headers=headers)


def _drawn(certificate: Certificate) -> bytes:
    from app.drawing.certificate import draw_certificate

    return draw_certificate(certificate)


def certificate_file(certificate: Certificate) -> str:
    """The certificate as one HTML file that asks for no other."""
    return templates.env.get_template("certificate_file.html").render(name=certificate.checkpoint, **_shown(certificate))


def certified(settings: Settings, checkpoint: AnyCheckpoint) -> dict[str, Any]:
    """A model's certificate as ``found`` with its ``summary`` and what the ``mirror`` shows, or None with what is ``missing`` and the
    ``command`` that makes it, None where there is none.

    Raises:
        Problem: ``internal_error`` for a file that cannot be used.
    """
    found = kept_certificate(settings, checkpoint, _read)
    another = bool(certificate_files(settings, checkpoint.name))
    missing = "Its certificate is that of another file with this name; measure it again with" if another else "Not certified; run"
    file = f"{checkpoint.name}.safetensors"
    its_folder = next((folder.name for folder in model_folders(settings) if (folder / file).is_file()), "checkpoints")
    command: str | None = f"unturned certify {its_folder}/{file} --data FERPLUS"
    if isinstance(checkpoint.metadata, ImportedMetadata) and checkpoint.metadata.recipe == "onnx":
        missing, command = "Not certified: the layers of an ONNX graph cannot be randomised. Import its weights by another recipe.", None
    said = {"found": None, "summary": None, "mirror": None} if found is None else _said(found)
    return said | {"missing": missing, "command": command}


def summary(certificate: Certificate) -> str:
    """How many lines came out how, in a sentence."""
    counts = certificate.counts()
    return f"Of {sum(counts.values())} lines {counts['pass']} pass, {counts['fail']} fail and {counts['undecided']} stay undecided."


def mirror_sentence(certificate: Certificate) -> str | None:
    """Flip consistency with what it is to be read beside; None for a certificate without those lines."""
    consistency, grid = certificate.line("consistency"), certificate.line("grid")
    if consistency is None or grid is None:
        return None
    own, others, allowed = (decimal(figure.value) for figure in (consistency.figure, consistency.chance, grid.figure))
    return f"Flip consistency {own}, of the map of another face {others}; the sampling grid alone allows {allowed}."


def _said(certificate: Certificate) -> dict[str, Any]:
    return {"found": certificate, "summary": summary(certificate), "mirror": mirror_sentence(certificate)}


def _read(path: Path) -> Certificate:
    try:
        return read_certificate(path)
    except CertificateError as error:
        remedy = f"`unturned certify` of {path.stem} writes it again."
        raise unusable_file(error, path.parent, "The certificate cannot be used.", remedy) from error


def _checkpoint(request: Request, name: str) -> AnyCheckpoint:
    checkpoint = service_of(request).loaded_pipeline().explainer.find(name)
    if checkpoint is None:
        raise Problem(ErrorCode.MODEL_NOT_FOUND, "The page Models lists those there are.")
    return checkpoint


def _found(request: Request, name: str) -> Certificate:
    state = certified(service_of(request).settings, _checkpoint(request, name))
    found: Certificate | None = state["found"]
    if found is None:
        raise Problem(ErrorCode.NOT_FOUND, f"{state['missing']} {state['command']}." if state["command"] else state["missing"])
    return found


def _shown(certificate: Certificate) -> dict[str, Any]:
    """What both pages show."""
    sections = [(title, [_line(line) for line in certificate.lines if line.section == key]) for key, title in SECTIONS.items()]
    return {"certificate": certificate, "summary": summary(certificate), "sections": [part for part in sections if part[1]]}


def _line(line: Line) -> dict[str, Any]:
    bad = line.known_bad
    return {
        "line": line,
        "badge": BADGES[line.verdict],
        "figure": measured(line.figure.value, line.figure.interval),
        "chance": measured(line.chance.value, line.chance.interval),
        "known_bad": measured(bad.value, bad.interval) if bad else None,
        "steps": [(step.layers, measured(step.similarity.value, step.similarity.interval)) for step in line.steps],
        "plot": step_plot(line) if line.steps else None,
    }


router.include_router(data_router)
