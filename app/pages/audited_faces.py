"""Pages of the findings of an audit; there are none unless the settings name its folder. Faces are sent with no-store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import JSONResponse, Response

from app.errors import ErrorCode, Problem, unusable_file
from app.explaining.service import service_of
from app.pages.face_number import INDEX
from app.pages.state import page_state
from app.pages.templating import PageRoute, render
from model.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from app.pages.audit_browser import AuditBrowser

router = APIRouter(include_in_schema=False, route_class=PageRoute)
data_router = APIRouter(include_in_schema=False)  # what the page's script fetches: it reads problems as JSON

ORDERS = {"rank": "worst of every kind first", "score": "highest score", "name": "name"}


@router.get("/audit")
async def audit(
    request: Request,
    kind: Annotated[str, Query(max_length=64)] = "",
    order: Annotated[str, Query()] = "rank",
    page: Annotated[int, Query(ge=1, le=1_000_000)] = 1,
) -> Response:
    """The findings of a kind in an order, a page of them."""
    browser = await audit_browser(request)
    from app.pages.audit_browser import PAGE_ISSUES, Order
    from model.findings.report import kind_sentence

    kinds = browser.kinds
    if kind not in ("", *kinds) or order not in ORDERS:
        raise Problem(ErrorCode.INVALID_PARAMETER)
    found, issues = await asyncio.to_thread(browser.find, kind or None, Order(order), page)
    context = {
        "section": "/audit",
        "issues": issues,
        "found": found,
        "kinds": kinds,
        "sentence": kind_sentence(kind) if kind else "",
        "orders": ORDERS,
        "page": page,
        "pages": max(1, -(-found // PAGE_ISSUES)),
        "chosen": {"kind": kind, "order": order},
    }
    return render(request, "audit.html", context)


@router.get(f"/audit/{INDEX}.png")
async def audited_picture(request: Request, index: int) -> Response:
    """The face of a finding."""
    return Response(await audited_face(request, index), media_type="image/png")


@data_router.get(f"/audit/{INDEX}.json")
async def audited_facts(request: Request, index: int) -> Response:
    """What was found about a face."""
    browser = await audit_browser(request)
    facts = await asyncio.to_thread(browser.facts, index)
    if facts is None:
        raise Problem(ErrorCode.SAMPLE_NOT_FOUND)
    return JSONResponse(facts)


async def audited_face(request: Request, index: int) -> bytes:
    """A face that something was found about, as PNG.

    Raises:
        Problem: ``sample_not_found``, or as :func:`audit_browser`.
    """
    browser = await audit_browser(request)
    try:
        picture = await asyncio.to_thread(browser.picture, index)
    except InputError as error:
        raise _unusable(request, error) from error
    if picture is None:
        raise Problem(ErrorCode.SAMPLE_NOT_FOUND)
    return picture


async def audit_browser(request: Request) -> AuditBrowser:
    """The audit, read on first use and then kept; one that failed is read again.

    Raises:
        Problem: ``not_found`` where the settings name no audit, ``internal_error`` where it cannot be used.
    """
    folder, state = service_of(request).settings.audit, page_state(request)
    if folder is None:
        raise Problem(ErrorCode.NOT_FOUND, "This server has no audit; UNTURNED_AUDIT names its folder.")
    service_of(request).loaded_pipeline()  # what reads audits is imported before the models are loaded
    reading = state.audit
    if reading is None or (reading.done() and reading.exception() is not None):
        state.audit = reading = asyncio.ensure_future(asyncio.to_thread(_load, folder))
    try:
        return await asyncio.shield(reading)
    except InputError as error:
        raise _unusable(request, error) from error


def _unusable(request: Request, error: InputError) -> Problem:
    folder = service_of(request).settings.audit
    assert folder is not None
    return unusable_file(error, folder, "The audit cannot be read.", "The operator must mend the audit that UNTURNED_AUDIT names.")


def _load(folder: Path) -> AuditBrowser:
    from app.pages.audit_browser import AuditBrowser

    return AuditBrowser(folder)


router.include_router(data_router)
