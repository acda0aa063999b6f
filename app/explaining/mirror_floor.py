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
    """The floor of each checkpoint, by its name; see :func:`mirror_floor`."""
    return {name: mirror_floor(settings, checkpoint) for name, checkpoint in checkpoints.items()}


def mirror_floor(settings: Settings, checkpoint: AnyCheckpoint) -> float | None:
    """Mean flip consistency of a face's map with that of another face of the same predicted class, -1..1.

    Returns:
        None where it was not measured for this very file: a model that was trained anew since has no floor yet.
    """
    claimed = _claimed(settings.checkpoint_dir, checkpoint.sha256)
    return _certified(settings, checkpoint) if claimed is None else claimed


def _claimed(checkpoint_dir: Path, sha256: str) -> float | None:
    try:
        changed = (checkpoint_dir / CLAIMS_FILE).stat().st_mtime_ns
        return _claimed_floors(checkpoint_dir, changed).get(sha256)
    except (FileNotFoundError, ClaimsError):  # the page of the claims says what is wrong with the file
        return None


def _certified(settings: Settings, checkpoint: AnyCheckpoint) -> float | None:
    try:
        certificate = kept_certificate(settings, checkpoint)
    except CertificateError:  # as does that of the certificate
        return None
    line = None if certificate is None else certificate.line("consistency")
    return None if line is None else line.chance.value


@lru_cache(maxsize=1)
def _claimed_floors(checkpoint_dir: Path, _changed: int) -> dict[str, float]:
    """By sha256; read again when the time of the file's last change is another."""
    report = load_claims(checkpoint_dir)
    measured = [measure.models for claim in report.claims for measure in claim.measures if measure.key == "floor"]
    return {
        report.models[name].sha256: estimate.value for models in measured for name, estimate in models.items() if estimate.value is not None
    }
