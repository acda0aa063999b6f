"""``unturned explain``: every picture of a folder, as JSON and NPZ files with an index."""

from __future__ import annotations

import argparse
import hashlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.arguments import add_explaining, add_parser, asked_models, explain_options
from app.commands.batch import INDEX_FILE, FolderOutcome, PictureFiles, explain_folder
from app.commands.terminal import printable
from model.errors import InputError

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers
    from app.settings import Settings

SOME_FAILED = 2
REQUEST_ID = "local"  # in the API's JSON, of an answer that nobody asked a service for


def add_explain(subparsers: Subparsers) -> None:
    """Mount the command."""
    parser = add_parser(
        subparsers,
        "explain",
        "explain every picture of a folder; go on where an earlier run stopped",
        "unturned explain photos --out answers --faces 3",
    )
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder of pictures, read with its subfolders")
    parser.add_argument("--out", type=Path, required=True, help=f"folder for the answers and {INDEX_FILE}")
    add_explaining(parser)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    if not arguments.folder.is_dir():
        raise InputError(f"{arguments.folder} is not a folder")
    from tqdm import tqdm

    from app.api.answers import explanation_answer
    from app.decoding.child import ChildLimits
    from app.drawing.saved_maps import save_maps
    from app.explaining.local_service import LocalService

    options, names = explain_options(arguments), asked_models(arguments)
    with LocalService() as service:
        models = service.resolve(names)

        def explain(name: str, data: bytes) -> PictureFiles:
            picture = service.explain(data, models, options)
            answer = explanation_answer(picture, REQUEST_ID)
            return PictureFiles(answer.model_dump_json().encode(), save_maps(picture.as_faces(name)))

        hashes = {name: checkpoint.sha256 for name, checkpoint in models.items()}
        outcome = explain_folder(
            arguments.folder,
            arguments.out,
            asdict(options) | {"models": names, "checkpoints": hashes, "detector": _detector(service.settings)},
            explain,
            ChildLimits().memory_bytes // 2,  # more than any picture has of as many pixels as are decoded
            lambda files: tqdm(files, unit="picture"),
        )
    _report(outcome, arguments.out)
    return SOME_FAILED if outcome.failures else 0


def _detector(settings: Settings) -> dict[str, object]:
    """What looks for faces: the name and all that it finds others by."""
    if settings.yunet_path is None:
        return {"mtcnn": settings.smallest_face}
    return {"yunet": hashlib.sha256(settings.yunet_path.read_bytes()).hexdigest()}


def _report(outcome: FolderOutcome, out: Path) -> None:
    for name, code, detail in outcome.failures:
        print(f"{printable(name)}: {detail} ({code})", file=sys.stderr)
    print(
        f"{outcome.explained} explained, {outcome.finished_before} finished before, {len(outcome.failures)} failed; see {out / INDEX_FILE}"
    )
