"""``unturned figure``: the paper-style figure of pictures or of saved maps, and the supplement's five figures."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.choices import FIGURE_INCHES, ColourMap, FigureFormat, Scale, Sheet, Style, class_names
from app.commands.arguments import add_explaining, add_parser, asked_models, explain_options, refuse_unused
from app.errors import Problem
from model.errors import InputError, file_errors, make_folder
from model.expressions import EXPRESSIONS
from model.files.atomic_write import make_room, replace_file

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers
    from app.explaining.maps import ExplainedFaces

SAVED_MAPS_SUFFIX = ".npz"
# options that would change nothing, and are refused
UNUSED_BY_SUPPLEMENT = ("images", "output", "label", "faces", "crop", "method", "gauge")
UNUSED_BY_PICTURES = ("data", "out")
UNUSED_BY_SAVED_MAPS = ("label", "models", "faces", "crop", "method", "gauge")


def add_figure(subparsers: Subparsers) -> None:
    """Mount the command."""
    parser = add_parser(
        subparsers,
        "figure",
        "draw what models look at on faces and their mirror images, as PNG, SVG or PDF",
        "unturned figure portrait.jpg -o portrait.pdf",
    )
    parser.add_argument(
        "images", nargs="*", type=Path, default=[], metavar="IMAGE", help="pictures, or .npz files of `unturned explain` to draw again"
    )
    parser.add_argument("-o", "--output", type=Path, default=None, help="file to write; its suffix is the format: .png, .svg or .pdf")
    parser.add_argument("--label", choices=EXPRESSIONS, default=None, help="known expression of the faces, drawn in red")
    add_explaining(parser)
    parser.add_argument(
        "--colours",
        choices=[*ColourMap],
        type=ColourMap,
        default=Style.colour_map,
        help="colours; signed and discs show evidence against, too [%(default)s]",
    )
    parser.add_argument("--scale", choices=[*Scale], type=Scale, default=Style.scale, help="which maps share a colour scale [%(default)s]")
    parser.add_argument("--opacity", type=_share, default=Style.opacity, help="share of the colour over the face, 0 to 1 [%(default)s]")
    parser.add_argument("--classes", type=_classes, default=EXPRESSIONS, metavar="NAME,NAME", help="expressions in columns [all seven]")
    parser.add_argument("--width", type=_inches, default=None, help="inches, texts scale with it [maps of 0.8 inches]")
    parser.add_argument("--svg-text", action="store_true", help="keep the text of an SVG as text")
    supplement = parser.add_argument_group(
        "the supplement's figures", "example: unturned figure --supplement --data datasets --out figures"
    )
    supplement.add_argument("--supplement", action="store_true", help="draw the supplement's five figures on FERPlus test faces")
    supplement.add_argument("--data", type=Path, default=None, help="folder or zip of FERPlus")
    supplement.add_argument("--out", type=Path, default=None, help="folder to write them to, with the rule that chose the faces")
    parser.set_defaults(run=_run, default_of=parser.get_default)


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0.0 <= value <= 1.0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value


def _classes(text: str) -> tuple[str, ...]:
    try:
        return class_names(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _inches(text: str) -> float:
    least, most = FIGURE_INCHES
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of inches from {least} to {most}")
    return value


def _run(options: argparse.Namespace) -> int:
    from app.drawing.figure import draw_figure

    style = Style(options.colours, options.scale, options.opacity)
    sheet = Sheet(options.classes, options.width, options.svg_text)
    if options.supplement:
        refuse_unused(options, UNUSED_BY_SUPPLEMENT, "--supplement draws exact maps of faces that a rule chooses")
        return _draw_supplement(options, style, sheet)
    refuse_unused(options, UNUSED_BY_PICTURES, "only --supplement reads a data set")
    if not options.images or options.output is None:
        raise InputError("name at least one picture and, with -o, the file to write")
    file_format = _format(options.output)
    if file_format is not FigureFormat.SVG:
        refuse_unused(options, ("svg_text",), "only an .svg has text to keep as text")
    make_room(options.output)
    explained = _merged(list(_explained(options)))
    replace_file(options.output, draw_figure(explained, file_format, style, sheet))
    return 0


def _format(path: Path) -> FigureFormat:
    try:
        return FigureFormat(path.suffix.removeprefix(".").lower())
    except ValueError:
        raise InputError(f"{path.name}: a figure's name ends in .png, .svg or .pdf") from None


def _explained(options: argparse.Namespace) -> Iterator[ExplainedFaces]:
    """What to draw of every file, in the order given; the models are loaded only if one is a picture."""
    from app.explaining.local_service import LocalService

    if all(path.suffix.lower() == SAVED_MAPS_SUFFIX for path in options.images):
        refuse_unused(options, UNUSED_BY_SAVED_MAPS, "saved maps are drawn as they are")
        yield from (_read(path) for path in options.images)
        return
    chosen, names = explain_options(options), asked_models(options)
    with LocalService() as service:
        models = service.resolve(names)
        for path in options.images:
            if path.suffix.lower() == SAVED_MAPS_SUFFIX:
                yield _read(path)
            else:
                with file_errors():
                    data = path.read_bytes()
                try:
                    explained = service.explain(data, models, chosen).as_faces(path.name)
                except Problem as problem:
                    raise InputError(f"{path}: {problem.detail} ({problem.code})") from problem
                yield replace(explained, faces=tuple(replace(face, label=options.label) for face in explained.faces))


def _read(path: Path) -> ExplainedFaces:
    from app.drawing.saved_maps import MAX_FILE_BYTES, SavedMapsError, read_maps

    with file_errors():
        if path.stat().st_size > MAX_FILE_BYTES:
            raise SavedMapsError(f"{path.name}: more than {MAX_FILE_BYTES} bytes")
        data = path.read_bytes()
    try:
        return read_maps(data)
    except SavedMapsError as error:
        raise SavedMapsError(f"{path.name}: {error}") from error


def _merged(parts: list[ExplainedFaces]) -> ExplainedFaces:
    first = parts[0]
    if any((part.method, part.gauge) != (first.method, first.gauge) for part in parts):
        raise InputError("the files hold maps of different methods or gauges")
    return replace(first, faces=tuple(face for part in parts for face in part.faces))


def _draw_supplement(options: argparse.Namespace, style: Style, sheet: Sheet) -> int:
    from app.drawing.figure import draw_figure
    from app.drawing.supplement import RULE, supplement_figures
    from app.explaining.local_service import LocalService
    from model.data.ferplus import load_ferplus

    if options.data is None or options.out is None:
        raise InputError("--supplement needs --data, where FERPlus is, and --out, the folder to write to")
    faces = load_ferplus(options.data, "test").labelled()
    names = asked_models(options)
    with LocalService() as service:
        figures = supplement_figures(service.explainer, service.resolve(names), faces)
    make_folder(options.out)
    lines = [RULE, ""]
    for figure in figures:
        for file_format in FigureFormat:
            replace_file(options.out / f"{figure.stem}.{file_format}", draw_figure(figure.explained, file_format, style, sheet))
        lines.append(f"{figure.stem}: {figure.explained.faces[0].caption}")
    text = "\n".join(lines) + "\n"
    replace_file(options.out / "rule.txt", text.encode())
    sys.stdout.write(text)
    return 0
