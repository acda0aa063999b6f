"""The explorer's first result, in the page itself: a visitor sees an answer before any script has run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from app.errors import Problem
from app.explaining.mirror_floor import mirror_floor

if TYPE_CHECKING:
    from app.pages.hero import Hero
    from app.samples import Card


async def first_result(state: Any, card: Card) -> Hero | None:
    """The first look at a card's face, made once for the models that are loaded.

    Args:
        state: the application's.

    Returns:
        None while the models are loading, or where they do not answer now; the page's script then asks for itself.
    """
    if getattr(state, "explainer", None) is None or getattr(state, "decoder", None) is None:
        return None
    key = state.explainer, card
    made: tuple[object, asyncio.Task[Hero]] | None = getattr(state, "first_result", None)
    if made is None or made[0] != key or (made[1].done() and made[1].exception() is not None):
        made = state.first_result = key, asyncio.create_task(_made(state, card))
    try:
        return await asyncio.shield(made[1])  # a visitor who leaves does not end it for the others
    except Problem:
        return None


async def _made(state: Any, card: Card) -> Hero:
    from app.explaining.pipeline import ExplainOptions, explain_picture
    from app.pages.hero import draw_hero
    from app.pages.without_javascript import STYLE

    picture = await explain_picture(state, card.picture, ExplainOptions(faces=1, crop=card.crop))
    checkpoints = state.explainer.checkpoints
    floors = {name: mirror_floor(state.settings.checkpoint_dir, checkpoint.sha256) for name, checkpoint in checkpoints.items()}
    face, explanations = picture.found.faces[0], picture.explanations[0]
    hero: Hero = await state.executor.run(lambda: draw_hero(face.grey, explanations, floors, STYLE, card.expression))
    return hero
