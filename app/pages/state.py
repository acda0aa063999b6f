"""What pages keep between requests: the data set's faces, the explorer's first result, and the supplement's figures."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

    from starlette.requests import Request

    from app.pages.dataset_faces import FaceReading
    from app.pages.first_result import FirstResult
    from app.pages.supplement import Supplement


@dataclass
class PageState:
    """Everything is made on the first visit to the page that needs it; ``tasks`` holds what runs on after its request."""

    faces: FaceReading | None = None
    first: FirstResult | None = None
    supplement: Supplement | None = None
    tasks: set[asyncio.Future[None]] = field(default_factory=set)


def page_state(request: Request) -> PageState:
    """That of the application that a request came to."""
    state: PageState = request.app.state.pages
    return state
