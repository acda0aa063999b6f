"""``import unturned``: explanations from Python, of the shipped models, one's own checkpoints and imported ones."""

from importlib.util import find_spec
from pathlib import Path


def _refuse_hidden(package: str, holds: str) -> None:
    """A file or folder of the user's that stands where a package of ours is looked for first would be imported in its place, unfinished."""
    found = find_spec(package)
    places = (found.submodule_search_locations if found else None) or ()
    if not any((Path(place) / holds).exists() for place in places):
        where = found.origin or list(places) if found else "nothing"
        raise ImportError(f"{where} hides unturned's own package {package!r}: give it another name, or run from another folder")


_refuse_hidden("app", "notebook")
_refuse_hidden("model", "expressions.py")

from app.errors import CannotStartError, Problem  # noqa: E402
from app.notebook.models import FaceExplanation, LoadedModel, figure, load  # noqa: E402
from app.notebook.show import show  # noqa: E402
from model.errors import InputError  # noqa: E402

__all__ = ["CannotStartError", "FaceExplanation", "InputError", "LoadedModel", "Problem", "figure", "load", "show"]
