"""The commands of the science: train, evaluate, reproduce, tables, compare, claims, certify, export. Each adds its parser and runs it."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands import certify as certify_command
from app.commands import train as train_command
from app.commands.arguments import CHECKPOINTS, add_parser, positive, typed_command
from app.commands.train import add_precision
from model.errors import InputError
from model.methods.settings import METHOD_NAMES
from model.training.protocol import PROTOCOLS

if TYPE_CHECKING:
    import argparse

    from app.commands.arguments import Subparsers

IMPORTED_BATCH = 32  # pictures are larger than this project's, and maps that are not exact hold four copies of the features


def add_commands(subparsers: Subparsers) -> None:
    """Mount the science commands on the ``unturned`` parser; each sets ``run``, a function of the parsed arguments to an exit status."""
    train_command.add_train(subparsers)
    _add_evaluate(subparsers)
    _add_reproduce(subparsers)
    _add_tables(subparsers)
    _add_compare(subparsers)
    _add_claims(subparsers)
    certify_command.add_certify(subparsers)
    _add_export(subparsers)


def _add_evaluate(subparsers: Subparsers) -> None:
    parser = add_parser(
        subparsers,
        "evaluate",
        "measure a checkpoint on a split",
        "unturned evaluate checkpoints/baseline.safetensors --data datasets/ferplus.zip --json baseline.json",
    )
    parser.add_argument("checkpoint", type=Path, help="a .safetensors file of this project, or one that unturned import wrote")
    parser.add_argument("--dataset", choices=("ferplus", "rafdb"), default="ferplus", help="which dataset --data holds [%(default)s]")
    parser.add_argument("--data", type=Path, required=True, help="folder or zip of the dataset")
    parser.add_argument(
        "--split", choices=("valid", "test"), default="valid", help="valid is for choosing, test for one final look [%(default)s]"
    )
    parser.add_argument("--json", type=Path, default=None, help="also write the figures to this file")
    parser.add_argument("--threads", type=positive, default=2, help="torch threads [%(default)s]")
    parser.set_defaults(run=_evaluate)


def _evaluate(arguments: argparse.Namespace) -> int:
    import torch

    from model.data.labelled import load_labelled_faces
    from model.files.atomic_write import make_room, replace_file
    from model.importing.imported import ImportedModel, dataset_input, load_model
    from model.measuring.evaluation import EVALUATION_BATCH, split_metrics, split_outputs
    from model.measuring.report import metrics_report

    if arguments.json is not None:
        make_room(arguments.json)
    torch.set_num_threads(arguments.threads)
    model = load_model(arguments.checkpoint)
    faces = load_labelled_faces(arguments.dataset, arguments.data, arguments.split)
    batch, counts = (IMPORTED_BATCH, None) if isinstance(model, ImportedModel) else (EVALUATION_BATCH, model.metadata.training_counts)
    outputs = split_outputs(model.classifier, partial(dataset_input, model), faces, batch)
    metrics = split_metrics(outputs, faces.labels, counts)
    print(metrics_report(model.name, arguments.split, metrics))
    if arguments.json is not None:
        replace_file(arguments.json, f"{metrics.model_dump_json(indent=1)}\n".encode())
    return 0


def _add_reproduce(subparsers: Subparsers) -> None:
    parser = add_parser(
        subparsers,
        "reproduce",
        "run every missing cell of a table",
        "unturned reproduce --table 3 --data datasets/ferplus.zip --seeds 1 2 3",
    )
    parser.add_argument("--table", type=int, choices=(1, 2, 3), required=True, help="table of the paper; 1 needs RAF-DB, 2 and 3 FERPlus")
    parser.add_argument("--data", type=Path, required=True, help="folder or zip of the table's dataset")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1], help="seeds to run %(default)s")
    parser.add_argument("--methods", nargs="+", choices=METHOD_NAMES, default=None, help="only these rows [all]")
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="project",
        help="how each run is trained; any but project needs --results of its own [%(default)s]",
    )
    parser.add_argument("--workers", type=int, default=2, help="runs side by side, one thread each [%(default)s]")
    add_precision(parser)
    parser.add_argument(
        "--results", type=Path, default=CHECKPOINTS / "results", help="folder of the result files; what ships goes above it [%(default)s]"
    )
    parser.set_defaults(run=_reproduce)


def _reproduce(arguments: argparse.Namespace) -> int:
    from model.training.reproduce import run_reproduce

    return run_reproduce(
        arguments.table,
        arguments.data,
        [sys.executable, "-m", "app.cli"],
        seeds=arguments.seeds,
        workers=arguments.workers,
        methods=arguments.methods,
        results=arguments.results,
        runs=Path("runs") if arguments.protocol == "project" else Path("runs", arguments.protocol),
        precision=arguments.precision,
        protocol=arguments.protocol,
    )


def _add_tables(subparsers: Subparsers) -> None:
    parser = add_parser(
        subparsers, "tables", "render Tables 1 to 5 beside the paper's numbers", "unturned tables --format latex --out tables.tex"
    )
    parser.add_argument("--results", type=Path, default=CHECKPOINTS / "results", help="folder of the result files [%(default)s]")
    parser.add_argument("--format", choices=("markdown", "latex", "csv"), default="markdown", help="form of the tables [%(default)s]")
    parser.add_argument("--out", type=Path, default=None, help="file to write [standard output]")
    parser.set_defaults(run=_tables)


def _tables(arguments: argparse.Namespace) -> int:
    from model.tables.tables import run_tables

    return run_tables(arguments.results, arguments.format, arguments.out)


def _add_compare(subparsers: Subparsers) -> None:
    parser = add_parser(
        subparsers,
        "compare",
        "how far runs are from others on the same faces, with intervals",
        "unturned compare checkpoints/results/epochs30/*-cac-seed?.json --to checkpoints/results/epochs30/*-baseline-seed?.json",
    )
    parser.add_argument("results", type=Path, nargs="+", metavar="RESULT", help="result file of a run, or those of several seeds")
    parser.add_argument("--to", type=Path, nargs="+", required=True, metavar="RESULT", help="what they are compared with")
    parser.set_defaults(run=_compare)


def _compare(arguments: argparse.Namespace) -> int:
    from model.tables.two_runs import run_compare

    return run_compare(arguments.results, arguments.to)


def _add_claims(subparsers: Subparsers) -> None:
    parser = add_parser(
        subparsers,
        "claims",
        "measure the paper's three conclusions on the FERPlus test split",
        "unturned claims --data datasets/ferplus.zip",
    )
    parser.add_argument("--data", type=Path, required=True, help="FERPlus, folder or zip")
    parser.add_argument("--checkpoints", type=Path, default=CHECKPOINTS, help="folder of the checkpoints to measure [%(default)s]")
    parser.add_argument("--out", type=Path, default=None, help="file to write [claims.json in the folder of the checkpoints]")
    parser.add_argument("--threads", type=positive, default=2, help="torch threads [%(default)s]")
    parser.set_defaults(run=_claims)


def _claims(arguments: argparse.Namespace) -> int:
    import torch

    from model.claims.command import run_claims
    from model.claims.report import CLAIMS_FILE

    torch.set_num_threads(arguments.threads)
    out = arguments.out or arguments.checkpoints / CLAIMS_FILE
    return run_claims(arguments.data, arguments.checkpoints, out, typed_command())


def _add_export(subparsers: Subparsers) -> None:
    parser = add_parser(
        subparsers,
        "export",
        "write a checkpoint as ONNX, with logits and maps as outputs",
        "unturned export checkpoints/cac.safetensors cac.onnx",
    )
    parser.add_argument("checkpoint", type=Path, help="a .safetensors file of this project, or an import whose maps are exact")
    parser.add_argument("out", type=Path, help="ONNX file to write")
    parser.set_defaults(run=_export)


def _export(arguments: argparse.Namespace) -> int:
    from model.files.atomic_write import make_room
    from model.importing.imported import load_model
    from model.onnx.export import export_onnx

    out: Path = arguments.out
    if out.suffix != ".onnx":
        raise InputError(f"{out}: an ONNX file's name ends in .onnx")
    model = load_model(arguments.checkpoint)
    make_room(out)
    if out.exists() and out.samefile(arguments.checkpoint):
        raise InputError(f"{out}: is the checkpoint itself")
    export_onnx(model, out)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB")
    return 0
