"""``unturned train``: one method trained and measured, by a protocol whose every field can be chosen."""

from __future__ import annotations

import argparse
import logging
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.commands.arguments import CHECKPOINTS, add_parser, positive, typed_command
from model.data.protocols import ORIGINAL, protocol_name
from model.errors import InputError
from model.geometry import FaceGeometry, ferplus_geometry, load_geometry
from model.methods.settings import METHOD_NAMES
from model.networks import NETWORKS, network_grid
from model.training.protocol import AUGMENTATIONS, OPTIMIZERS, PROTOCOLS, Protocol, own_constants
from model.training.runs import TableCell

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers

logger = logging.getLogger(__name__)

INTERRUPTED = 130


def add_train(subparsers: Subparsers) -> None:
    """Mount the command."""
    parser = add_parser(
        subparsers,
        "train",
        "train one method and measure it",
        "unturned train --method cac --data datasets/ferplus.zip --results mine --resume",
    )
    parser.add_argument("--method", choices=METHOD_NAMES, required=True, help="training method")
    parser.add_argument("--dataset", choices=("ferplus", "rafdb"), default="ferplus", help="which dataset --data holds [%(default)s]")
    parser.add_argument("--data", type=Path, required=True, help="folder or zip of the dataset")
    parser.add_argument(
        "--imbalance",
        default=ORIGINAL,
        help="original, or an imbalance factor; 50, 100 and 150 are the protocols of the paper [%(default)s]",
    )
    _add_protocol(parser)
    parser.add_argument(
        "--geometry",
        type=Path,
        help="where the dataset's faces lie in their pictures: a file of benchmarks/calibrate_crop.py, for cropping uploads [FERPlus's]",
    )
    parser.add_argument("--seed", type=int, default=1, help="seed of the head, the order of faces, and augmentation [%(default)s]")
    add_precision(parser)
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of the method; repeatable, the last of a name counts",
    )
    parser.add_argument(
        "--teachers",
        nargs="+",
        default=[],
        metavar="FILE",
        help="checkpoints to distil from, with --set distillation=D (cac alone)",
    )
    parser.add_argument("--threads", type=positive, default=1, help="torch threads of this process [%(default)s]")
    parser.add_argument("--out", type=Path, default=None, help="folder of the run's state and log [in runs/, by the choices of the run]")
    parser.add_argument("--resume", action="store_true", help="continue the run in --out, if there is one")
    parser.add_argument("--ship", action="store_true", help="put the checkpoint into the folder above the results, in the method's place")
    parser.add_argument("--results", type=Path, default=CHECKPOINTS / "results", help="folder of the result files [%(default)s]")
    parser.add_argument(
        "--limit",
        type=int,
        default=None,
        help="a dry run: train and measure on LIMIT faces of each split, of every class in turn, in folders of its own under runs/",
    )
    parser.set_defaults(run=_train)


def _add_protocol(parser: argparse.ArgumentParser) -> None:
    """A preset and an option for each of its fields, which the preset fills where it is not given."""
    paper = PROTOCOLS["paper"]
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        default="project",
        help="defaults of the options below; paper: those of its ResNet runs [%(default)s]",
    )
    parser.add_argument("--network", choices=NETWORKS, help=f"backbone [{Protocol.network}]")
    parser.add_argument(
        "--resnet18-weights", help="safetensors file with torchvision's names; --network resnet18 starts from random weights without it"
    )
    parser.add_argument(
        "--input-size",
        type=int,
        help=f"side of the network's input, pixels; maps are centred at 99, 115, 131, of resnet18 at 193, 225 [{Protocol.input_size}]",
    )
    parser.add_argument("--epochs", type=int, help=f"passes over the training faces [{Protocol.epochs}; paper: {paper.epochs}]")
    parser.add_argument("--batch", type=int, help=f"faces a step, over all processes [{Protocol.batch}]")
    parser.add_argument(
        "--parts",
        type=int,
        help=f"gradient accumulation: see a process's faces of a step in so many equal parts, to save memory; cac contrasts within a part "
        f"[{Protocol.parts}]",
    )
    parser.add_argument("--lr", type=float, help=f"peak, or first, learning rate of the network [{Protocol.lr:g}]")
    parser.add_argument("--weight-decay", type=float, help=f"weight decay [{Protocol.weight_decay:g}; paper: {paper.weight_decay:g}]")
    parser.add_argument(
        "--augmentation",
        choices=AUGMENTATIONS,
        help=f"how training faces are changed [{Protocol.augmentation}; paper: {paper.augmentation}]",
    )
    parser.add_argument(
        "--optimizer",
        choices=OPTIMIZERS,
        help=f"what optimizes, with which schedule; the paper's brings its settings of eac and mek [{Protocol.optimizer}; "
        f"paper: {paper.optimizer}]",
    )


def _chosen_protocol(arguments: argparse.Namespace) -> Protocol:
    given = {field.name: getattr(arguments, field.name) for field in fields(Protocol)}
    return replace(PROTOCOLS[arguments.protocol], **{name: value for name, value in given.items() if value is not None})


def add_precision(parser: argparse.ArgumentParser) -> None:
    """The arithmetic that a run is made in."""
    parser.add_argument(
        "--precision",
        choices=("auto", "bf16-mixed", "32-true"),
        default="auto",
        help="arithmetic of the network; auto: bfloat16 where this machine computes it natively, else float32 [%(default)s]",
    )


def _train(arguments: argparse.Namespace) -> int:
    import torch

    from model.files.allocator import keep_freed_memory
    from model.files.folder_lock import FolderBusyError
    from model.training.config import TrainingConfig
    from model.training.experiment import Experiment, run_experiment
    from model.training.processes import Interrupted, native_precision
    from model.training.reproduce import RUN_ELSEWHERE
    from model.training.shipping import shipping_folder

    torch.set_num_threads(arguments.threads)
    keep_freed_memory()
    imbalance = protocol_name(arguments.imbalance)
    cell = TableCell(arguments.method, arguments.dataset, imbalance, arguments.seed)
    dry = arguments.limit is not None
    if arguments.ship and (dry or not cell.may_ship):
        raise InputError("--ship is for runs on all faces of FERPlus: --dataset ferplus, --imbalance original, no --limit")
    ship_to = shipping_folder(arguments.results) if arguments.ship else None
    protocol = _chosen_protocol(arguments)
    if not network_grid(protocol.network, protocol.input_size).centred:
        logger.warning(
            "maps of %s at %d px are not centred, so none can agree exactly with the mirror image's: train --help names sizes that are",
            protocol.network,
            protocol.input_size,
        )
    directory = arguments.out or Path("runs") / _folder_name(cell, protocol, arguments)
    try:
        config = TrainingConfig(
            method=arguments.method,
            seed=arguments.seed,
            precision=native_precision() if arguments.precision == "auto" else arguments.precision,
            settings=(*_own_settings(protocol, arguments.method), *(_name_and_value(text) for text in arguments.set)),
            teachers=tuple(arguments.teachers),
            **asdict(protocol),
        )
        experiment = Experiment(
            config=config,
            dataset=arguments.dataset,
            data=arguments.data,
            imbalance=imbalance,
            geometry=_geometry(arguments),
            directory=directory,
            results=directory if dry else arguments.results,
            ship_to=ship_to,
            limit=arguments.limit,
            command=typed_command(),
        )
        run_experiment(experiment, resume=arguments.resume)
    except FolderBusyError as error:
        print(error, file=sys.stderr)
        return RUN_ELSEWHERE
    except Interrupted:
        print(f"stopped; continue with the same command and --resume ({experiment.directory} holds the state)", file=sys.stderr)
        return INTERRUPTED
    return 0


def _folder_name(cell: TableCell, protocol: Protocol, arguments: argparse.Namespace) -> str:
    """The run's name with what is not as in the tables, so that runs one compares do not share a folder."""
    others = [f"{name}{Path(str(value)).name}" for name, value in protocol.deviations().items()]
    settings = [text.replace("=", "") for text in arguments.set]
    limit = [f"limit{arguments.limit}"] if arguments.limit is not None else []
    return "-".join([cell.name, *others, *settings, *limit])


def _geometry(arguments: argparse.Namespace) -> FaceGeometry:
    if arguments.geometry is not None:
        return load_geometry(arguments.geometry)
    if arguments.dataset != "ferplus":
        measured = f"python benchmarks/calibrate_crop.py --dataset {arguments.dataset} measures where its own faces lie, for --geometry"
        logger.warning("uploads to a server of this checkpoint will be cropped like FERPlus's faces: %s", measured)
    return ferplus_geometry()


def _own_settings(protocol: Protocol, method: str) -> tuple[tuple[str, str], ...]:
    return tuple((name, f"{value:g}") for name, value in own_constants(protocol, method).items())


def _name_and_value(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set takes NAME=VALUE, not {text!r}")
    return name, value
