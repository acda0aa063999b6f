"""The certificates that ``unturned certify`` left beside the checkpoints that are served."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from model.certifying.report import certificate_path, load_certificate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.settings import Settings
    from model.certifying.report import Certificate
    from model.importing.metadata import AnyCheckpoint


def model_folders(settings: Settings) -> list[Path]:
    """Where the checkpoints lie that the settings name."""
    folders = [settings.checkpoint_dir, *(path.parent for path in settings.extra_checkpoints)]
    return [*folders, *([] if settings.models is None else [settings.models])]


def certificate_files(settings: Settings, name: str) -> list[Path]:
    """Those kept under a checkpoint's name, whichever file they are of."""
    paths = dict.fromkeys(certificate_path(folder / f"{name}.safetensors") for folder in model_folders(settings))
    return [path for path in paths if path.is_file()]


def read_certificate(path: Path) -> Certificate:
    """A file's certificate, read again when the time of its last change is another.

    Raises:
        CertificateError: it cannot be read.
    """
    return _read(path, path.stat().st_mtime_ns)


def kept_certificate(
    settings: Settings, checkpoint: AnyCheckpoint, read: Callable[[Path], Certificate] = read_certificate
) -> Certificate | None:
    """That of this very file; None where there is none.

    Args:
        read: reads a file, and tells one that is damaged in the caller's way.

    Raises:
        CertificateError: one of its name cannot be read.
    """
    kept = map(read, certificate_files(settings, checkpoint.name))
    return next((certificate for certificate in kept if certificate.sha256 == checkpoint.sha256), None)


@lru_cache(maxsize=64)
def _read(path: Path, _changed: int) -> Certificate:
    return load_certificate(path)
