"""Which form of MEK ``ours`` stands for."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.checkpoints import load_manifest
from model.expressions import EXPRESSIONS
from model.reference import save_checkpoint
from model.training.shipping import renew_manifest, shipping_folder
from tests.made_checkpoints import make_metadata, random_classifier


def ship(folder: Path, method: str, neutral: float, others: float, name: str | None = None) -> None:
    """A checkpoint right on these shares of the neutral and of each other class's validation faces, and of the test faces on the rest."""
    made = make_metadata(method)
    splits = {"valid": made.metrics["valid"] | split(neutral, others), "test": made.metrics["test"] | split(1 - neutral, 1 - others)}
    save_checkpoint(folder / f"{name or method}.safetensors", random_classifier(1), made.model_copy(update={"metrics": splits}))


def split(neutral: float, others: float) -> dict[str, object]:
    """Of 2,000 faces: 1,400 neutral ones, and 100 of each other class."""
    faces = [1400, *[100] * 6]
    right = [round(count * share) for count, share in zip(faces, (neutral, *[others] * 6), strict=True)]
    confusion = [[0] * 7 for _ in EXPRESSIONS]
    for index, (count, named) in enumerate(zip(faces, right, strict=True)):
        confusion[index][index], confusion[index][(index + 1) % 7] = named, count - named
    shares = [named / count for named, count in zip(right, faces, strict=True)]
    per_class = dict(zip(EXPRESSIONS, shares, strict=True))
    return {"faces": 2000, "confusion": confusion, "overall": sum(right) / 2000, "mean": sum(shares) / 7, "per_class": per_class}


# overall / mean of cac: .853 / .803; of mek .875 / .736, whose average is lower, or .893 / .787, whose average is higher
@pytest.mark.parametrize(("others_of_mek", "ours"), [(0.70, "cac"), (0.76, "mek")])
def test_ours_is_the_form_with_the_highest_average_of_both_accuracies_on_validation(
    tmp_path: Path, others_of_mek: float, ours: str
) -> None:
    ship(tmp_path, "baseline", 0.99, 0.99)  # whatever its score, it is not ours
    ship(tmp_path, "mek", 0.95, others_of_mek)
    ship(tmp_path, "mek_sf", 0.88, 0.78)
    ship(tmp_path, "cac", 0.88, 0.79)
    manifest = renew_manifest(tmp_path)
    assert manifest == load_manifest(tmp_path)
    assert manifest.ours == ours
    assert set(manifest.checkpoints) == {"baseline", "mek", "mek_sf", "cac"}


def test_a_second_checkpoint_of_a_form_may_be_ours(tmp_path: Path) -> None:
    ship(tmp_path, "cac", 0.86, 0.79)
    ship(tmp_path, "cac", 0.87, 0.79, name="cac_taught")
    ship(tmp_path, "baseline", 0.99, 0.99, name="mek_of_the_name_alone")
    manifest = renew_manifest(tmp_path)
    assert manifest is not None and manifest.ours == "cac_taught"


def test_nobodys_readme_is_replaced(tmp_path: Path) -> None:
    assert shipping_folder(tmp_path / "results") == shipping_folder(tmp_path / "results" / "epochs30") == tmp_path
    with pytest.raises(ValueError, match="whose name must be results"):
        shipping_folder(tmp_path / "mine")
    (tmp_path / "README.md").write_text("of a project")
    with pytest.raises(ValueError, match="would be replaced"):
        shipping_folder(tmp_path / "results")
    (tmp_path / "manifest.json").write_text("{}")
    assert shipping_folder(tmp_path / "results") == tmp_path


def test_without_a_form_of_mek_there_is_nothing_to_serve(tmp_path: Path) -> None:
    ship(tmp_path, "baseline", 0.9, 0.9)
    assert renew_manifest(tmp_path) is None
    assert not (tmp_path / "manifest.json").exists()
