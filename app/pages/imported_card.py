"""The card of an imported model: whose network it is, how its input is made, and how far what it shows can be trusted."""

from __future__ import annotations

from typing import Any

from app.numbers import percent
from model.importing.metadata import ImportedMetadata, ProbeRecord

MAPS = {
    "exact": "exact: each score is the mean of its map plus a constant, which the import tested to {error:.0e} of the largest score",
    "approximate": "approximate: integrated gradients of a head that is not linear; map and constant miss the score by {error:.1%} of the "
    "largest on pictures of noise",
}
UNCHECKED = "none: it was imported unchecked, so colours, order of classes and normalisation are as stated, not as tested"


def imported_summary(metadata: ImportedMetadata) -> str:
    """One sentence for the list of models."""
    return f"Imported by the recipe {metadata.recipe}, with {metadata.maps} maps{'' if metadata.probe else '; unchecked'}."


def imported_card(name: str, metadata: ImportedMetadata, sha256: str) -> dict[str, Any]:
    """What the template ``model.html`` shows of it."""
    grid = metadata.grid
    facts = [
        ("Recipe", f"{metadata.recipe}, {metadata.architecture}"),
        ("Input", f"{metadata.input_size} × {metadata.input_size} pixels, {metadata.colour}, faces of {metadata.face_size} pixels"),
        ("Normalised", f"mean {_listed(metadata.mean)}, deviation {_listed(metadata.std)}"),
        ("Classes of the file", ", ".join(metadata.published_classes)),
        ("Maps", MAPS[metadata.maps].format(error=metadata.identity_error)),
        ("Cells", f"{grid.cells} × {grid.cells}, centred at {grid.first} + {grid.step} i of {grid.input} pixels"),
        ("Probe", _probe(metadata.probe)),
        ("File", f"sha256 {sha256}, imported from sha256 {metadata.source_sha256}"),
        ("Intended use", "Research on what classifiers look at. Not for judging employees, applicants, pupils or anybody else."),
    ]
    summary = imported_summary(metadata)
    return {"name": name, "summary": summary, "facts": facts, "minor_classes": metadata.minor_classes, "imported": True}


def _probe(probe: ProbeRecord | None) -> str:
    if probe is None:
        return UNCHECKED
    return f"{percent(probe.accuracy)} of {probe.pictures} labelled faces; {percent(probe.stated)} were stated"


def _listed(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:g}" for value in values)
