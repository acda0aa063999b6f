"""The application: routes, layers around them, and what starts and stops with it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING

from fastapi import Depends, FastAPI

from app.api import health
from app.api import openapi as documentation
from app.api import routes as api
from app.explaining.loading import have_temporary_folder
from app.explaining.service import Service
from app.http.admission import Admission, Places
from app.http.assets import Assets
from app.http.error_handlers import install_error_handlers
from app.http.head_requests import HeadAsGet
from app.http.limits import Limits
from app.http.observation import Observation
from app.http.security import Security, SecurityHeaders
from app.http.uploads import strict_query
from app.pages import router as pages
from app.pages.state import PageState
from app.pages.templating import problem_page, static_files
from app.settings import Settings, load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

DESCRIPTION = (
    "What facial expression classifiers look at: the attention map of each of seven expressions, on a face and on its mirror image. "
    + health.PURPOSE
)

# Modules that need PyTorch or OpenCV, and the many of the tables. The service listens before it imports them: nothing that this module
# imports may name one outside a function, and functions that do are called once the models are loaded, which are loaded after these.
LATE_MODULES = (
    "app.explaining.pipeline",
    "app.drawing.colours",
    "app.drawing.saved_maps",
    "app.drawing.supplement",
    "app.pages.face_browser",
    "app.pages.hand_crop",
    "app.pages.hero",
    "app.pages.without_javascript",
    "model.data.ferplus",
    "model.tables.changes",
    "model.tables.formats",
    "model.tables.tables",
)
# What only figures need, half of it Matplotlib's: imported once uploads are answered, in the thread that draws, by functions it runs.
DRAWING_MODULES = ("app.drawing.certificate", "app.drawing.figure")
# Imported with the late ones where the settings name an audit: they need the extra `audit`.
AUDIT_MODULES = ("app.pages.audit_browser", "model.findings.report")


def import_modules(names: Iterable[str]) -> None:
    """Import what requests need; takes half a second, which neither the start nor the first request should wait for."""
    have_temporary_folder()
    for name in names:
        import_module(name)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    service.start()
    yield
    service.drain()
    await service.stop()


def create_app(settings: Settings | None = None) -> FastAPI:
    """Build the application; nothing is loaded until its lifespan begins.

    Its ``state`` has ``service`` (see :func:`app.explaining.service.service_of`) and ``pages`` (:func:`app.pages.state.page_state`).

    Raises:
        SettingsError: no settings were given and those of the environment cannot be used.
    """
    settings = settings or load_settings()
    app = FastAPI(
        title="unturned",
        version=version("unturned"),
        description=DESCRIPTION,
        license_info={"name": "MIT", "identifier": "MIT"},
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
        dependencies=[Depends(strict_query)],
        redirect_slashes=False,
    )
    late = LATE_MODULES if settings.audit is None else LATE_MODULES + AUDIT_MODULES
    places = Places(settings.compute_slots, settings.queue_length)

    def prepare() -> None:
        import_modules(late)
        app.openapi()  # it is asked at every request which parameters there are

    app.state.service = service = Service(settings, places, prepare, partial(import_modules, DRAWING_MODULES))
    app.state.pages = PageState()
    install_error_handlers(app, problem_page)
    documentation.install_openapi(app, asks_for_key=settings.api_key is not None)
    for module in (api, pages, health):
        app.include_router(module.router)
    app.mount("/static", Assets(static_files()))
    # the last one added is the outermost
    app.add_middleware(Admission, settings=settings, places=places, ready=lambda: service.answering)
    app.add_middleware(Limits, settings=settings)
    app.add_middleware(Security, settings=settings)
    app.add_middleware(HeadAsGet)
    app.add_middleware(Observation, page=problem_page)
    app.add_middleware(SecurityHeaders, settings=settings)
    return app
