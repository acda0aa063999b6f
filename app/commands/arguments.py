"""Arguments that several commands of ``unturned`` share."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.choices import COMPARED, MAX_FACES, Gauge, MapMethod, model_names
from app.detection.asked_crop import parse_crop
from app.explaining.options import ExplainOptions
from model.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 - argparse has no public name for it

CHECKPOINTS = Path("checkpoints")  # where a clone has them
POSITIONAL = {"images": "IMAGE", "source": "SRC"}  # as the help names them


def add_parser(subparsers: Subparsers, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """A command's parser with its one-line summary and an example at the end of its help."""
    return subparsers.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example: {example}",
    )


def typed_command() -> str:
    """The command as it was typed, for the record of what it made."""
    return shlex.join(["unturned", *sys.argv[1:]])


def refuse_unused(arguments: argparse.Namespace, names: Iterable[str], reason: str) -> None:
    """Refuse arguments that were given and would change nothing.

    Args:
        arguments: their parser's ``get_default`` is among them as ``default_of``.
        names: of their attributes.
        reason: why they would change nothing.

    Raises:
        InputError: one of them is not its default.
    """
    given = [name for name in names if getattr(arguments, name) != arguments.default_of(name)]
    if given:
        typed = [POSITIONAL.get(name) or "--" + name.replace("_", "-") for name in given]
        raise InputError(f"{reason}: leave out {', '.join(typed)}")


def positive(text: str) -> int:
    """A whole number above 0, as an argument's type."""
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def add_explaining(parser: argparse.ArgumentParser) -> None:
    """The choices of an explanation, as in the API."""
    parser.add_argument(
        "--models",
        default=",".join(COMPARED),
        help="checkpoint names, comma-separated; `ours` is the shipped one trained for agreement in the mirror [%(default)s]",
    )
    parser.add_argument(
        "--faces",
        type=int,
        choices=range(1, MAX_FACES + 1),
        default=MAX_FACES,
        metavar="N",
        help="most faces of a picture, largest first [%(default)s]",
    )
    parser.add_argument("--crop", default="detect", help="`detect` faces, `whole` picture, or square x,y,w,h [%(default)s]")
    parser.add_argument("--method", choices=[*MapMethod], type=MapMethod, default=MapMethod.CAM, help="kind of attention map [%(default)s]")
    parser.add_argument(
        "--gauge", choices=[*Gauge], type=Gauge, default=Gauge.CENTRED, help="maps against the average class, or as trained [%(default)s]"
    )


def explain_options(arguments: argparse.Namespace) -> ExplainOptions:
    """What :func:`add_explaining`'s arguments ask for beside the models.

    Raises:
        Problem: a crop that is none.
    """
    return ExplainOptions(arguments.faces, arguments.method, parse_crop(arguments.crop), arguments.gauge)


def asked_models(arguments: argparse.Namespace) -> tuple[str, ...]:
    """The names that ``--models`` holds.

    Raises:
        InputError: a model named twice.
    """
    try:
        return model_names(arguments.models)
    except ValueError as error:
        raise InputError(f"--models: {error}") from error
