"""What a flip consistency is worth: how far the maps of two *different* faces of a class agree for the same model.

A map that looks alike on every face agrees with its mirror image, too. So the flip consistency of one face is shown beside this floor,
which ``unturned claims`` measures on the test split.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from model.claims.report import CLAIMS_FILE, ClaimsError, load_claims

if TYPE_CHECKING:
    from pathlib import Path


def mirror_floor(checkpoint_dir: Path, sha256: str) -> float | None:
    """Mean flip consistency of a face's map with that of another face of the same predicted class, -1..1.

    Args:
        sha256: of the checkpoint's file; a model that was trained anew since the measurement has no floor yet.

    Returns:
        None where it was not measured.
    """
    try:
        changed = (checkpoint_dir / CLAIMS_FILE).stat().st_mtime_ns
        return _floors(checkpoint_dir, changed).get(sha256)
    except (FileNotFoundError, ClaimsError):  # the page of the claims says what is wrong with the file
        return None


@lru_cache(maxsize=1)
def _floors(checkpoint_dir: Path, _changed: int) -> dict[str, float]:
    """By sha256; read again when the time of the file's last change is another."""
    report = load_claims(checkpoint_dir)
    measured = [measure.models for claim in report.claims for measure in claim.measures if measure.key == "floor"]
    return {
        report.models[name].sha256: estimate.value for models in measured for name, estimate in models.items() if estimate.value is not None
    }
