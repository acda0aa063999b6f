"""``unturned certify``: a checkpoint's certificate as JSON, as one HTML file and as PDF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.arguments import add_parser, positive, typed_command

if TYPE_CHECKING:
    import argparse

    from app.commands.arguments import Subparsers


def add_certify(subparsers: Subparsers) -> None:
    """Mount the command."""
    from model.certifying.report import FACES, SEED

    parser = add_parser(
        subparsers,
        "certify",
        "measure how far a checkpoint's maps can be trusted, as JSON, HTML and PDF; the service shows it with the model",
        "unturned certify checkpoints/cac.safetensors --data datasets/ferplus.zip",
    )
    parser.add_argument("checkpoint", type=Path, help="a .safetensors file of this project, or one that unturned import wrote")
    parser.add_argument("--data", type=Path, required=True, help="FERPlus, folder or zip")
    parser.add_argument("--faces", type=int, default=FACES, help="most test faces, as many of each expression as there are [%(default)s]")
    parser.add_argument("--out", type=Path, default=None, help="folder to write to [certificates/ beside the checkpoint]")
    parser.add_argument("--seed", type=int, default=SEED, help="seed of faces, random maps and random weights [%(default)s]")
    parser.add_argument("--threads", type=positive, default=2, help="torch threads [%(default)s]")
    parser.set_defaults(run=_certify)


def _certify(arguments: argparse.Namespace) -> int:
    import torch

    from app.drawing.certificate import draw_certificate
    from app.pages.certificates import certificate_file, summary
    from model.certifying.command import certify
    from model.certifying.report import certificate_path, save_certificate
    from model.checkpoints import read_model_file
    from model.files.atomic_write import make_room, replace_file

    read_model_file(arguments.checkpoint)  # before a folder is made beside a file that is not there
    torch.set_num_threads(arguments.threads)
    path = certificate_path(arguments.checkpoint)
    if arguments.out is not None:
        path = arguments.out / path.name
    make_room(path)
    certificate = certify(arguments.checkpoint, arguments.data, typed_command(), arguments.faces, arguments.seed)
    replace_file(path.with_suffix(".html"), certificate_file(certificate).encode())
    replace_file(path.with_suffix(".pdf"), draw_certificate(certificate))
    save_certificate(path, certificate)
    print(f"{summary(certificate)} Written to {path}, .html and .pdf in {certificate.seconds:.0f} s")
    return 0
