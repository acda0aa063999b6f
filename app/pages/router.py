"""The router of all pages, and the page about them."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from app.pages import audited_faces as audit_pages
from app.pages import certificates as certificate_pages
from app.pages import claims as claims_page
from app.pages import dataset_faces as face_pages
from app.pages import documentation as documentation_page
from app.pages import explorer as explorer_pages
from app.pages import models as model_pages
from app.pages import results as result_pages
from app.pages import site_files
from app.pages import supplement as supplement_pages
from app.pages import tray as tray_page
from app.pages.templating import PageRoute, render
from app.samples import sample_index
from model.expressions import MINOR_CLASSES
from model.paper import paper_tables

router = APIRouter(include_in_schema=False, route_class=PageRoute)


@router.get("/about")
async def about(request: Request) -> Response:
    """How to read the maps, how the models were trained, where the samples come from."""
    ferplus = next(table for table in paper_tables().count_tables if table.dataset == "ferplus")
    counts = dict(zip(ferplus.classes, ferplus.rows[0].counts, strict=True))
    samples = list(sample_index().values())
    return render(request, "about.html", {"section": "/about", "samples": samples, "counts": counts, "minor_classes": MINOR_CLASSES})


PARTS = (
    explorer_pages,
    face_pages,
    audit_pages,
    claims_page,
    result_pages,
    model_pages,
    certificate_pages,
    supplement_pages,
    tray_page,
    documentation_page,
    site_files,
)
for part in PARTS:
    router.include_router(part.router)
