"""The ``unturned`` command.

Exit status: 0 done; 2 bad use or input; 3 the service or its models cannot start; 130 interrupted. These are told in one line on standard
error; any other exception is a fault of this program and shows its traceback.
"""

from __future__ import annotations

import argparse
import errno
import io
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING

from app.commands import audit as audit_command
from app.commands import explain as explain_command
from app.commands import figure as figure_command
from app.commands import import_model as import_command
from app.commands import stories as stories_command
from app.commands.arguments import add_parser
from app.commands.terminal import printable
from app.errors import CannotStartError, Problem
from app.installation import install_command
from app.settings import listening_address, load_settings
from model.errors import InputError

if TYPE_CHECKING:
    from app.commands.arguments import Subparsers

BAD_USE = 2
CANNOT_START = 3
INTERRUPTED = 130
BROKEN_PIPE = 128 + 13  # as a shell reports a command that SIGPIPE ended
DESCRIPTION = "See what facial expression classifiers look at: serve it, draw it, train it, measure it."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files need not be text
    try:
        status = _status(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads the output has seen enough, as `head` does
        _drop_output()
        return BROKEN_PIPE
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        if error.filename is None:  # standard output itself
            _drop_output()
        return _fail(": ".join(str(part) for part in (error.filename, error.strerror) if part is not None), BAD_USE)
    return status


def _status(arguments: Sequence[str]) -> int:
    """Run one command; what ends it early is told."""
    try:
        options = _parser(arguments).parse_args(arguments)
        return int(options.run(options))
    except KeyboardInterrupt:
        return INTERRUPTED
    except Problem as problem:
        return _fail(f"{problem.detail} ({problem.code})", BAD_USE)
    except InputError as error:
        return _fail(str(error), BAD_USE)
    except CannotStartError as error:
        return _fail(str(error), CANNOT_START)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"app", "model"}:
            raise
        if (command := install_command(error)) is not None:
            return _fail(f"{error.name} is not installed: this needs more than serving does: {command}", BAD_USE)
        return _fail(f"{error.name} is not installed: this command needs the packages that `make test` installs", BAD_USE)


def _drop_output() -> None:
    """What could not be written: the interpreter would try again at its end, and complain."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(message: str, status: int) -> int:
    """Tell the message, in which names out of files may stand."""
    print("unturned:", printable(" ".join(message.split())), file=sys.stderr)
    return status


def _parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of all commands; those of the science only where none of the service is asked for, which needs no training code."""
    parser = argparse.ArgumentParser(prog="unturned", description=DESCRIPTION, epilog="example: unturned serve")
    parser.add_argument("--version", action="version", version=f"unturned {version('unturned')}")
    subparsers: Subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_serve(subparsers)
    figure_command.add_figure(subparsers)
    explain_command.add_explain(subparsers)
    import_command.add_import(subparsers)
    stories_command.add_stories(subparsers)
    audit_command.add_audit(subparsers)
    if not arguments or arguments[0] not in subparsers.choices:
        from app.commands.science import add_commands

        add_commands(subparsers)
    return parser


def _add_serve(subparsers: Subparsers) -> None:
    parser = add_parser(
        subparsers,
        "serve",
        "serve the pages and the API; settings are UNTURNED_* variables, which docs/service.md lists",
        "unturned serve --port 8080",
    )
    parser.add_argument("--host", type=_host, default=None, help="address to listen on [UNTURNED_HOST, else 127.0.0.1]")
    parser.add_argument("--port", type=_port, default=None, help="port to listen on, 0 for a free one [UNTURNED_PORT, else 8000]")
    parser.set_defaults(run=_serve)


def _host(text: str) -> str:
    try:
        return listening_address(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port")
    return int(text)


def _serve(options: argparse.Namespace) -> int:
    from app.server import end, serve

    chosen = {name: value for name in ("host", "port") if (value := getattr(options, name)) is not None}
    status = serve(load_settings().model_copy(update=chosen))
    end(status)
    return status


if __name__ == "__main__":
    sys.exit(main())
