"""What a flip consistency is worth: how far the maps of two *different* faces of a class agree for the same model.

A map that looks alike on every face agrees with its mirror image, too. So the flip consistency of one face is shown beside this floor,
which ``unturned claims`` measures for the shipped models on the test split, and ``unturned certify`` for any on its certificate's faces.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from app.explaining.kept_certificates import kept_certificate
from model.certifying.report import CertificateError
from model.claims.report import CLAIMS_FILE, ClaimsError, load_claims

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from app.settings import Settings
    from model.importing.metadata import AnyCheckpoint


def mirror_floors(settings: Settings, checkpoints: Mapping[str, AnyCheckpoint]) -> dict[str, float | None]:
    """Of each checkpoint, by its name: mean flip consistency of a face's map with that of another face of the same predicted class, -1..1.

    Returns:
        None where it was not measured for this very file: a model that was trained anew since has no floor yet.
    """
    claimed = _claimed(settings.checkpoint_dir)
    return {
        name: claimed[checkpoint.sha256] if checkpoint.sha256 in claimed else _certified(settings, checkpoint)
        for name, checkpoint in checkpoints.items()
    }


def mirror_floor(settings: Settings, checkpoint: AnyCheckpoint) -> float | None:
    """The floor of one; see :func:`mirror_floors`."""
    return mirror_floors(settings, {checkpoint.name: checkpoint})[checkpoint.name]


def _claimed(checkpoint_dir: Path) -> Mapping[str, float]:
    """By sha256."""
    try:
        state = (checkpoint_dir / CLAIMS_FILE).stat()
    except FileNotFoundError:
        return {}
    return _claimed_floors(checkpoint_dir, (state.st_mtime_ns, state.st_ctime_ns))


def _certified(settings: Settings, checkpoint: AnyCheckpoint) -> float | None:
    try:
        certificate = kept_certificate(settings, checkpoint)
    except CertificateError:  # as does that of the certificate
        return None
    line = None if certificate is None else certificate.line("consistency")
    return None if line is None else line.chance.value


@lru_cache(maxsize=1)
def _claimed_floors(checkpoint_dir: Path, _changed: tuple[int, int]) -> Mapping[str, float]:
    """None of a file that cannot be read; read again when the times of its last changes, of content and of rights, are others."""
    try:
        report = load_claims(checkpoint_dir)
    except ClaimsError:  # the page of the claims says what is wrong with it
        return {}
    measured = [measure.models for claim in report.claims for measure in claim.measures if measure.key == "floor"]
    return {
        report.models[name].sha256: estimate.value for models in measured for name, estimate in models.items() if estimate.value is not None
    }
