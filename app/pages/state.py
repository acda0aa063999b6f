"""What pages keep between requests: the data set's faces, an audit, the explorer's first result, and the supplement's figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.errors import Problem

if TYPE_CHECKING:
    import asyncio
    from weakref import ReferenceType

    from starlette.requests import Request

    from app.explaining.pipeline import Pipeline
    from app.pages.audit_browser import AuditBrowser
    from app.pages.face_browser import FaceBrowser
    from app.pages.hero import Hero
    from app.pages.supplement_figures import Supplement
    from app.samples import Card


@dataclass(frozen=True)
class FaceReading:
    """The reading of the data set's file as it was at ``stamp``."""

    stamp: tuple[int, int] | None
    browser: asyncio.Future[FaceBrowser]

    @property
    def failed(self) -> bool:
        """Whether the file could not be used."""
        return self.browser.done() and self.browser.exception() is not None


@dataclass(frozen=True)
class FirstResult:
    """The look at a card by the models of one pipeline, made or being made; the pipeline itself goes when a reload replaces it."""

    pipeline: ReferenceType[Pipeline]
    card: Card
    hero: asyncio.Task[Hero]

    @property
    def failed(self) -> bool:
        """Whether it could not be made, and may be another time."""
        return self._error is not None and not self.refused

    @property
    def refused(self) -> bool:
        """Whether the settings do not allow it: with them no face is found in the picture, say."""
        return isinstance(self._error, Problem) and self._error.code.status < 500

    @property
    def _error(self) -> BaseException | None:
        return self.hero.exception() if self.hero.done() else None


@dataclass
class PageState:
    """Everything is made on the first visit to the page that needs it; ``tasks`` holds what runs on after its request."""

    faces: FaceReading | None = None
    audit: asyncio.Future[AuditBrowser] | None = None
    first: FirstResult | None = None
    supplement: Supplement | None = None
    tasks: set[asyncio.Future[None]] = field(default_factory=set)


def page_state(request: Request) -> PageState:
    """That of the application that a request came to."""
    state: PageState = request.app.state.pages
    return state
