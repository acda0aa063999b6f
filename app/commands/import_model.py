"""``unturned import``: somebody else's checkpoint as a model of the explorer."""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from app.choices import OURS
from app.commands.arguments import add_parser, positive
from app.installation import shipped_folder
from model.errors import InputError
from model.files.model_names import MODEL_NAME, MODEL_NAME_RULE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.commands.arguments import Subparsers
    from model.importing.metadata import ProbeRecord, Triple
    from model.importing.probe import Probe
    from model.importing.reading import Reading

DEFAULT_PROBE_FACES = 300
ANYBODYS = ("torchvision", "timm", "onnx")  # recipes of networks, not of somebody's training, which says the order of classes
OF_TWO_ORDERS = ("dan", "poster", "poster_v2")  # recipes whose repositories publish files of RAF-DB's order and files of AffectNet's


def add_import(subparsers: Subparsers) -> None:
    """Mount the command."""
    parser = add_parser(
        subparsers,
        "import",
        "take a published checkpoint into the explorer; docs/importing.md lists the recipes",
        "unturned import rul_acc_888.pth --recipe rul --name rul_raf --probe raf-basic --accuracy 0.888 --out models",
    )
    parser.add_argument("file", type=Path, help="a file of torch.save with the weights, safetensors, or ONNX")
    parser.add_argument(
        "--recipe", required=True, help="whose: torchvision, timm, rul, eac, mek, dan, ddamfn, poster, poster_v2, resemotenet or onnx"
    )
    parser.add_argument("--architecture", default=None, help="for torchvision, timm and poster: which network, as named there")
    parser.add_argument("--weights", default=None, metavar="KEY", help="key they stand under, where the file holds several: state_dict_ema")
    parser.add_argument("--name", required=True, help="the model's name in the explorer")
    parser.add_argument("--out", type=Path, default=Path("models"), help="folder to write to, for UNTURNED_MODELS [%(default)s]")
    parser.add_argument("--probe", type=Path, default=None, help="labelled faces: DIR/EXPRESSION/PICTURE, FERPlus, or RAF-DB")
    parser.add_argument("--accuracy", type=float, default=None, help="share of right answers the file is said to reach, 0 to 1")
    parser.add_argument("--unchecked", action="store_true", help="import without a probe, which the model's card will say")
    parser.add_argument("--probe-faces", type=int, default=DEFAULT_PROBE_FACES, help="most faces tried [%(default)s]")
    reading = parser.add_argument_group("how the file is read, where its recipe is wrong for it")
    reading.add_argument("--classes", type=_words, default=None, help="the file's expressions in its order, separated by commas")
    reading.add_argument("--colour", choices=("rgb", "bgr", "grey"), default=None, help="what the network was fed")
    reading.add_argument("--size", type=positive, default=None, help="side of its input, pixels")
    reading.add_argument("--face-size", type=positive, default=None, help="side of its training faces, pixels [the probe's, else --size]")
    reading.add_argument("--mean", type=_triple, default=None, help="of the channels in 0..1, as a,b,c")
    reading.add_argument("--std", type=_triple, default=None, help="likewise")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    from model.files.atomic_write import make_room
    from model.importing.assembly import write_import
    from model.importing.opening import published_tensors
    from model.importing.probe_faces import load_probe_faces
    from model.importing.reading import read_tensors

    path: Path = arguments.out / f"{arguments.name}.safetensors"
    _check_target(path, arguments.file)
    make_room(path)
    faces = None if arguments.unchecked else load_probe_faces(arguments.probe, arguments.probe_faces)
    source, published = published_tensors(arguments.file, arguments.weights)
    reading = _reading(arguments, None if faces is None else faces.side)
    try:
        tensors = read_tensors(reading, published)
    except InputError as error:
        raise InputError(f"{arguments.file}: {error}") from error
    record = None
    if faces is not None:
        from model.importing.probe import run_probe

        probe = run_probe(reading, tensors, faces, arguments.accuracy)
        record = _judged(probe, arguments.accuracy)
    model = write_import(path, source, tensors, reading, record)
    print(f"{path}: {model.metadata.maps} maps, which miss the logits by {model.metadata.identity_error:.1g} of the largest")
    print(f"its classes, in this order: {', '.join(reading.classes)}")
    print(f"serve it: UNTURNED_MODELS={arguments.out} unturned serve")
    return 0


def _check(arguments: argparse.Namespace) -> None:
    if re.fullmatch(MODEL_NAME, arguments.name) is None:
        raise InputError(f"--name has {MODEL_NAME_RULE}")
    if arguments.name in (OURS, *_shipped_names()):
        raise InputError(f"--name {arguments.name} is that of a shipped model, beside which the file is to be served: choose another")
    if (arguments.recipe == "onnx") != (arguments.file.suffix == ".onnx"):
        raise InputError("a file FILE.onnx is read with --recipe onnx, and no other file is")
    if arguments.recipe == "onnx" and arguments.weights is not None:
        raise InputError("--weights names one of a file's sets of weights, and an ONNX graph has one alone: leave it out")
    if arguments.unchecked and (arguments.probe is not None or arguments.accuracy is not None):
        raise InputError("--unchecked tries the file on no faces: leave out --probe and --accuracy, or --unchecked")
    if arguments.unchecked and arguments.classes is None and arguments.recipe in ANYBODYS:
        raise InputError(
            f"--unchecked needs --classes with the recipe {arguments.recipe}: whoever trained the network chose their order "
            "(torchvision's ImageFolder: anger,disgust,fear,happiness,neutral,sadness,surprise)"
        )
    if arguments.unchecked and arguments.classes is None and arguments.recipe in OF_TWO_ORDERS:
        from model.data.rafdb import RAF_ORDER
        from model.importing.recipes import AFFECTNET_ORDER

        raise InputError(
            f"--unchecked needs --classes with the recipe {arguments.recipe}, of which files in two orders are published: "
            f"RAF-DB's {','.join(RAF_ORDER)} and AffectNet's {','.join(AFFECTNET_ORDER)}"
        )
    if not arguments.unchecked and arguments.probe is None:
        raise InputError(
            "give --probe with labelled faces and --accuracy, since a file that loads proves nothing about how it is read; or --unchecked"
        )
    if arguments.probe is not None and (arguments.accuracy is None or not 0 < arguments.accuracy <= 1):
        raise InputError("--accuracy says what the file is said to reach on the faces of --probe, more than 0 and at most 1")


def _check_target(path: Path, published: Path) -> None:
    """Whether a file may be written: an earlier import is replaced, nothing else."""
    if not path.exists():
        return
    from model.checkpoints import CheckpointError
    from model.importing.metadata import is_import

    if published.exists() and path.samefile(published):
        raise InputError(f"{path} is the very file to import: choose another --name or --out")
    try:
        replaced = is_import(path)
    except CheckpointError:
        replaced = False
    if not replaced:
        raise InputError(f"{path} is there and no import, and would be lost: choose another --name or --out")


def _shipped_names() -> Iterable[str]:
    from model.checkpoints import load_manifest

    return load_manifest(shipped_folder("checkpoints")).checkpoints


def _reading(arguments: argparse.Namespace, face_size: int | None) -> Reading:
    from model.importing.reading import Reading
    from model.importing.recipes import find_recipe
    from model.networks import LARGEST_INPUT

    recipe = find_recipe(arguments.recipe)
    architecture = arguments.architecture or next(iter(recipe.architectures), None)
    if architecture is None or (recipe.architectures and architecture not in recipe.architectures):
        known = ", ".join(recipe.architectures) or "a name of timm.list_models()"
        raise InputError(f"--architecture for the recipe {arguments.recipe} is one of: {known}")
    size = arguments.size or recipe.input_size
    return Reading(
        recipe=arguments.recipe,
        architecture=architecture,
        classes=arguments.classes or recipe.classes,
        colour=arguments.colour or recipe.colour,
        input_size=size,
        face_size=arguments.face_size or min(face_size or size, LARGEST_INPUT),
        mean=arguments.mean or recipe.mean,
        std=arguments.std or recipe.std,
    )


def _judged(probe: Probe, stated: float) -> ProbeRecord:
    """What the metadata keep of a probe; its table is printed.

    Raises:
        InputError: the stated accuracy is not reached.
    """
    from model.importing.metadata import ProbeRecord

    print(probe.table(), file=sys.stderr)
    findings = probe.findings()
    for finding in findings:
        print(finding, file=sys.stderr)
    if not probe.reached:
        advice = findings[0] if findings else "nothing tried explains it: is it another file, or another data set?"
        raise InputError(f"{100 * probe.told.accuracy:.1f} % as told where {100 * stated:.1f} % are stated; {advice}")
    return ProbeRecord(pictures=probe.faces, accuracy=probe.told.accuracy, stated=stated)


def _words(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(","))


def _triple(text: str) -> Triple:
    try:
        first, second, third = (float(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not three numbers a,b,c") from None
    return first, second, third
