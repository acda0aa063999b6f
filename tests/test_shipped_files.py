"""What is generated beside the shipped checkpoints is of these very files."""

from __future__ import annotations

from model.certifying.report import load_certificate
from model.checkpoints import load_manifest, read_checkpoint
from model.claims.report import load_claims
from model.training.shipping import README_FILE, _readme
from tests.live_server import ROOT

CHECKPOINTS = ROOT / "checkpoints"
MANIFEST = load_manifest(CHECKPOINTS)
SHIPPED = {name: entry.sha256 for name, entry in MANIFEST.checkpoints.items()}


def test_the_readme_is_what_shipping_these_checkpoints_writes() -> None:
    metadata = {name: read_checkpoint(CHECKPOINTS / entry.file, entry).metadata for name, entry in MANIFEST.checkpoints.items()}
    assert (CHECKPOINTS / README_FILE).read_text(encoding="utf-8") == _readme(MANIFEST, metadata)


def test_the_claims_are_of_these_checkpoints() -> None:
    report = load_claims(CHECKPOINTS)
    assert {name: model.sha256 for name, model in report.models.items()} == SHIPPED, "run unturned claims"
    assert report.ours == MANIFEST.ours


def test_every_certificate_is_of_the_checkpoint_of_its_name() -> None:
    certified = {path.stem: load_certificate(path).sha256 for path in (CHECKPOINTS / "certificates").glob("*.json")}
    assert certified
    assert certified == {name: SHIPPED[name] for name in certified}, "run unturned certify"
