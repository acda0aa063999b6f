"""The explorer's first result, in the page itself: a visitor sees an answer before any script has run."""

from __future__ import annotations

import asyncio
import weakref
from typing import TYPE_CHECKING

from app.choices import COMPARED
from app.detection.asked_crop import parse_crop
from app.errors import Problem
from app.explaining.mirror_floor import mirror_floors
from app.explaining.options import ExplainOptions
from app.explaining.service import service_of
from app.pages.state import FirstResult, page_state

if TYPE_CHECKING:
    from starlette.requests import Request

    from app.explaining.pipeline import ExplainedPicture, Pipeline
    from app.pages.hero import Hero
    from app.samples import Card
    from app.settings import Settings


async def first_result(request: Request, card: Card) -> Hero | None:
    """The first look at a card's face, made once for the models that are loaded.

    Returns:
        None while the models are loading, where they do not answer now, or where the settings do not allow it; the page's script then
        asks for itself.
    """
    service, state = service_of(request), page_state(request)
    if service.pipeline is None:
        return None
    made = state.first
    if made is None or made.pipeline() is not service.pipeline or made.card != card or made.failed:
        hero = asyncio.create_task(_made(service.pipeline, card, service.settings))
        made = state.first = FirstResult(weakref.ref(service.pipeline), card, hero)
    if made.refused:
        return None
    try:
        return await asyncio.shield(made.hero)  # a visitor who leaves does not end it for the others
    except Problem:
        return None


async def _made(pipeline: Pipeline, card: Card, settings: Settings) -> Hero:
    from app.pages.hero import draw_hero
    from app.pages.without_javascript import STYLE

    models = pipeline.explainer.resolve(COMPARED)
    floors = mirror_floors(settings, pipeline.explainer.checkpoints)

    def drawn(picture: ExplainedPicture) -> Hero:
        return draw_hero(picture.found.faces[0].grey, picture.explanations[0], floors, STYLE, card.expression)

    return await pipeline.answer(card.picture, models, ExplainOptions(faces=1, crop=parse_crop(card.crop)), drawn)
