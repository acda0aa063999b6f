"""``import unturned``: explanations from Python, of the shipped models, one's own checkpoints and imported ones."""

from app.notebook.models import LoadedModel, figure, load
from app.notebook.show import show

__all__ = ["LoadedModel", "figure", "load", "show"]
