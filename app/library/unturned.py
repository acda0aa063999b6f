"""``import unturned``: explanations from Python, of the shipped models, one's own checkpoints and imported ones."""

from app.notebook import LoadedModel, figure, load, show

__all__ = ["LoadedModel", "figure", "load", "show"]
