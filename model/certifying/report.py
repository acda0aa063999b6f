"""A certificate: how far a model's attention maps can be trusted, each question a line with its figure, its control and its verdict.

Figures are means over the certificate's faces with 95% bootstrap intervals. Every line has a ``margin``: by how much the figure is on the
good side of what its rule asks for, face by face. The verdict is read from the margin's interval alone (``model.certifying.judging``).
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from model.errors import InputError
from model.files.atomic_write import replace_file
from model.files.json_file import load_json
from model.measuring.estimate import Estimate
from model.predictor import MapKind

FOLDER = "certificates"  # beside the checkpoint
FACES = 140  # looked at, unless the user says otherwise
SEED = 20231030  # of the draw of faces and of all that is random

Verdict = Literal["pass", "fail", "undecided"]
Section = Literal["exactness", "weights", "faithfulness", "mirror", "plausibility"]
SECTIONS: dict[Section, str] = {
    "exactness": "Are the maps exact?",
    "weights": "Do the maps depend on what the model learnt?",
    "faithfulness": "Do the maps rank pixels as the model uses them?",
    "mirror": "Do the maps hold in the mirror?",
    "plausibility": "Plausibility, not faithfulness: do the maps lie where people see the expression?",
}
PLAUSIBILITY: dict[Verdict, str] = {"pass": "plausible", "fail": "not plausible", "undecided": "undecided"}
Text = Annotated[str, Field(max_length=1000)]


class CertificateError(InputError):
    """A certificate is missing or malformed; the message is one line, ``file: reason``."""


class _CertificateRecord(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_CertificateRecord):
    """One step of a randomisation: how many layers, counted from the output, are random, the lowest of them, and the maps' similarity."""

    layers: int
    lowest: Text
    similarity: Estimate


class Line(_CertificateRecord):
    """One question: what is measured (``title``, ``unit``), after whom (``source``), and what decides it (``rule``).

    ``chance`` is the figure of the control that ``chance_title`` names, measured in the same run; ``margin`` is described above.
    ``known_bad`` is the figure of an explanation that must fail. ``steps`` are those of the cascading randomisation.
    """

    key: str
    section: Section
    title: Text
    unit: Text
    source: Text
    rule: Text
    chance_title: Text
    figure: Estimate
    chance: Estimate
    margin: Estimate
    verdict: Verdict
    known_bad: Estimate | None = None
    note: Text = ""
    steps: tuple[Step, ...] = ()

    @property
    def said(self) -> str:
        """The verdict in words: of plausibility none that could be read as trust."""
        return PLAUSIBILITY[self.verdict] if self.section == "plausibility" else self.verdict


class Certificate(_CertificateRecord):
    """All lines for the checkpoint with this ``sha256``; ``maps`` says whether the completeness line calls its maps exact."""

    format: Literal["unturned-certificate-1"] = "unturned-certificate-1"
    checkpoint: str
    sha256: str
    network: str
    maps: MapKind
    dataset: str
    split: str
    faces: int
    faces_by_class: dict[str, int]
    seed: int
    draws: int
    command: str
    revision: str
    seconds: float
    lines: tuple[Line, ...]

    def line(self, key: str) -> Line | None:
        """The line of that key, where it was measured."""
        return next((line for line in self.lines if line.key == key), None)

    def counts(self) -> dict[Verdict, int]:
        """How many lines passed, failed and stayed open; plausibility is not counted, which is no question of trust."""
        judged = [line.verdict for line in self.lines if line.section != "plausibility"]
        return {"pass": judged.count("pass"), "fail": judged.count("fail"), "undecided": judged.count("undecided")}


def certificate_path(checkpoint: Path) -> Path:
    """Where the certificate of a checkpoint's file is kept and looked for."""
    return checkpoint.parent / FOLDER / f"{checkpoint.stem}.json"


def save_certificate(path: Path, certificate: Certificate) -> None:
    """Write the certificate atomically."""
    replace_file(path, f"{certificate.model_dump_json(indent=1)}\n".encode())


def load_certificate(path: Path) -> Certificate:
    """Read a certificate.

    Raises:
        CertificateError: missing or malformed.
    """
    return load_json(path, Certificate, CertificateError, "`unturned certify` makes it")
