"""``unturned audit``: what the models say of every picture of a data set, as Parquet files, and what is found in that."""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from app.choices import COMPARED
from app.commands.arguments import add_parser, asked_models, positive, refuse_unused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.auditing.auditor import MadePart
    from app.auditing.job import BegunAudit
    from app.commands.arguments import Subparsers

SHARD_ROWS = 4096
# what a finished audit has already, and is refused beside --report
UNUSED_BY_REPORT = ("source", "out", "labels", "models", "crop", "shard_rows", "engine", "workers", "address")


def add_audit(subparsers: Subparsers) -> None:
    """Mount the command."""
    parser = add_parser(
        subparsers,
        "audit",
        "which labels, faces and answers of a data set to look at again; goes on where an earlier run stopped",
        "unturned audit datasets/ferplus.zip --labels datasets/ferplus.zip --crop whole --out audit",
    )
    parser.add_argument(
        "source",
        metavar="SRC",
        nargs="?",
        help="folder, .zip, .tar or .parquet file, or a quoted pattern such as 'shards/*.tar'; a path, or a URL such as s3://bucket/faces.zip",
    )
    parser.add_argument("--out", type=Path, help="folder for the parts and the findings; of a cluster, one that all machines see")
    parser.add_argument("--report", type=Path, metavar="DIR", help="only write the findings of a finished audit anew; takes no SRC")
    parser.add_argument(
        "--cross-fit",
        type=_folds,
        metavar="K",
        help="judge each label by a classifier fitted to the other K-1 of K parts [by the models, which must not have been trained on it]",
    )
    parser.add_argument(
        "--labels",
        type=Path,
        default=None,
        help="CSV file with the columns id, label and perhaps split; or FERPlus [a Parquet source's own]",
    )
    parser.add_argument("--models", default=",".join(COMPARED), help="checkpoint names, comma-separated [%(default)s]")
    parser.add_argument(
        "--crop",
        choices=("detect", "whole"),
        default="detect",
        help="the largest face found, or the whole of pictures that are faces already [%(default)s]",
    )
    parser.add_argument("--shard-rows", type=positive, default=SHARD_ROWS, help="pictures a part [%(default)s]")
    parser.add_argument("--engine", choices=("local", "ray"), default="local", help="processes of this machine, or Ray [%(default)s]")
    parser.add_argument("--workers", type=positive, default=None, help="parts made at once [one a processor]")
    parser.add_argument("--address", default=None, help="address of the Ray cluster [a new one on this machine]")
    parser.set_defaults(run=_run, default_of=parser.get_default)


def _folds(text: str) -> int:
    count = positive(text)
    if count < 2:
        raise argparse.ArgumentTypeError(f"{text!r} leaves no other part to learn from: 2 or more")
    return count


def _run(arguments: argparse.Namespace) -> int:
    from app.auditing.job import AskedAudit, begin
    from app.settings import load_settings
    from model.auditing.manifest import AuditError
    from model.files.folder_lock import FolderBusyError, folder_lock

    if arguments.cross_fit is not None:
        from model.networks.dlib_weights import find_weights

        find_weights()  # before hours of work whose findings would lack it
    if arguments.report is not None:
        return _find_again(arguments)
    if arguments.source is None or arguments.out is None:
        raise AuditError("give SRC and --out, or the --report of a finished audit")
    if arguments.address is not None and arguments.engine != "ray":
        raise AuditError("--address is that of a Ray cluster: add --engine ray")
    asked = AskedAudit(
        source=arguments.source,
        labels=arguments.labels,
        models=asked_models(arguments),
        directory=arguments.out,
        shard_rows=arguments.shard_rows,
        crop=arguments.crop,
    )
    try:
        with folder_lock(arguments.out):
            audit = begin(asked, load_settings())
            if arguments.cross_fit is not None and audit.labelled < arguments.cross_fit:
                raise AuditError(
                    f"--cross-fit {arguments.cross_fit} needs as many labelled pictures, and {audit.labelled} have a label: "
                    "give --labels, or leave it out"
                )
            _report(audit, _made(audit, _parts(arguments, audit)), arguments.out)
            _find(arguments.out, arguments.cross_fit)
    except FolderBusyError as error:
        raise AuditError(str(error)) from error
    return 0


def _find_again(arguments: argparse.Namespace) -> int:
    refuse_unused(arguments, UNUSED_BY_REPORT, "--report reads a finished audit as it is")
    _find(arguments.report, arguments.cross_fit)
    return 0


def _find(directory: Path, cross_fit: int | None) -> None:
    from model.findings.command import write_findings

    found = write_findings(directory, cross_fit)
    print(f"{found.told}; UNTURNED_AUDIT={directory} unturned serve shows them, too, on the page /audit")
    if found.warning is not None:
        print(f"warning: {found.warning}", file=sys.stderr)


def _parts(arguments: argparse.Namespace, audit: BegunAudit) -> Iterator[MadePart]:
    """The parts that are missing, as they are made by the engine that was asked for."""
    if arguments.engine == "ray":
        from app.auditing.on_ray import make_on_ray

        return make_on_ray(audit.job, audit.missing, arguments.workers, arguments.address)
    from app.auditing.local import make_locally

    return make_locally(audit.job, audit.missing, arguments.workers or _processors())


def _processors() -> int:
    """How many this process may use; where the system does not say, how many there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _made(audit: BegunAudit, parts: Iterator[MadePart]) -> Counter[str]:
    """Wait for the parts, with rate and time left on the terminal; the errors in them, by their codes."""
    from tqdm import tqdm

    errors = Counter[str]()
    with tqdm(total=audit.manifest.listing.pictures, initial=audit.finished_before, unit="picture") as progress:
        for made in parts:
            errors += made.errors
            progress.update(made.rows)
    audit.job.clear_leftovers()
    return errors


def _report(audit: BegunAudit, errors: Counter[str], out: Path) -> None:
    pictures = audit.manifest.listing.pictures
    print(f"{pictures - audit.finished_before} audited, {audit.finished_before} finished before, {audit.labelled} labelled; see {out}")
    if audit.strangers:
        print(f"{audit.strangers} of the labels are of no picture of the source", file=sys.stderr)
    for code, count in sorted(errors.items()):
        print(f"{count} without an answer: {code}", file=sys.stderr)
