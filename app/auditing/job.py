"""What is asked for in an audit, and all that a process anywhere needs to make one of its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from app.choices import OURS
from model.auditing.addresses import absolute, without_secrets
from model.auditing.labels import read_labels
from model.auditing.listing import LISTING_FILE, write_listing
from model.auditing.manifest import AuditedModel, AuditError, AuditManifest, AuditSettings, ListedPictures, claim_folder
from model.auditing.parts import part_path
from model.auditing.sources import open_source
from model.checkpoints import ManifestEntry, load_manifest
from model.files.revision import code_revision, sources_digest
from model.reference import ReferenceCheckpoint, load_checkpoint

if TYPE_CHECKING:
    from app.settings import Settings

_DECIDING = ("numpy", "onnxruntime", "opencv-python-headless", "pillow", "pyarrow", "torch")  # packages that the bytes of a part depend on


@dataclass(frozen=True)
class AskedAudit:
    """What the user asked for; ``models`` by the names asked for."""

    source: str
    labels: Path | None
    models: Sequence[str]
    directory: Path
    shard_rows: int
    crop: Literal["whole", "detect"]


@dataclass(frozen=True)
class AuditJob:
    """The folder of an audit that was begun, its source, and where the checkpoints are: the same on every machine that takes part.

    No file keeps the ``source``'s whole address, which may have a password or a signature.
    """

    directory: Path
    source: str
    checkpoints: tuple[tuple[str, Path, ManifestEntry | None], ...]  # name asked for, file, its entry where it ships

    @property
    def listing(self) -> Path:
        """The list of the pictures."""
        return self.directory / LISTING_FILE

    def clear_leftovers(self) -> None:
        """Remove what processes that were killed had begun to write; the folder is this audit's, and nobody may be at work in it."""
        for leftover in self.directory.glob("part-*.parquet.*.partial"):
            leftover.unlink()

    def loaded(self) -> dict[str, ReferenceCheckpoint]:
        """The checkpoints, by the names asked for.

        Raises:
            CheckpointError: one cannot be used.
        """
        return {name: load_checkpoint(path, entry) for name, path, entry in self.checkpoints}

    def loaded_as_begun(self, manifest: AuditManifest) -> dict[str, ReferenceCheckpoint]:
        """The checkpoints, where they and the packages that decide on the bytes of a part are those that the audit was begun with.

        Raises:
            AuditError: they are not, on this machine or by now.
            CheckpointError: one cannot be used.
        """
        checkpoints = self.loaded()
        begun = {model.name: model.sha256 for model in manifest.models} | manifest.versions
        here = {name: checkpoint.sha256 for name, checkpoint in checkpoints.items()} | _versions()
        for name, value in begun.items():
            if here.get(name) != value:
                raise AuditError(f"{name} is {here.get(name)} here, and the audit was begun with {value}: install or copy that")
        return checkpoints


@dataclass(frozen=True)
class BegunAudit:
    """An audit whose folder holds manifest and listing: ``missing`` are the numbers of the parts to make."""

    job: AuditJob
    manifest: AuditManifest
    labelled: int
    strangers: int  # labels of pictures that the source does not have
    missing: tuple[int, ...]

    @property
    def finished_before(self) -> int:
        """How many pictures are in the parts that are there."""
        rows, pictures = self.manifest.settings.shard_rows, self.manifest.listing.pictures
        return pictures - sum(min(rows, pictures - number * rows) for number in self.missing)


def begin(asked: AskedAudit, settings: Settings) -> BegunAudit:
    """List the source and claim the folder, which is there and locked; or go on where the same audit has stopped.

    Raises:
        AuditError: the source cannot be listed, or the folder holds another audit.
        InputError: a model or the labels cannot be used.
    """
    job = AuditJob(asked.directory.absolute(), absolute(asked.source), _checkpoints(asked.models, settings))
    models = tuple(_audited(name, checkpoint) for name, checkpoint in job.loaded().items())
    partial = job.listing.with_suffix(".partial")
    try:
        labels = None if asked.labels is None else read_labels(asked.labels)
        written = write_listing(open_source(job.source), labels, asked.shard_rows, partial)
        if labels is not None and written.strangers == len(labels):
            raise AuditError(
                f"{asked.labels}: none of its ids is one of the {written.listed.pictures} pictures of {without_secrets(asked.source)}: "
                f"it has {next(iter(labels))}, the source {written.first}"
            )
        manifest = _manifest(asked, models, written.listed)
        claim_folder(job.directory, manifest)
        job.clear_leftovers()
        partial.replace(job.listing)
    finally:
        partial.unlink(missing_ok=True)
    missing = tuple(number for number in range(manifest.parts) if not part_path(job.directory, number).is_file())
    return BegunAudit(job, manifest, written.labelled, written.strangers, missing)


def _manifest(asked: AskedAudit, models: tuple[AuditedModel, ...], listed: ListedPictures) -> AuditManifest:
    return AuditManifest(
        source=without_secrets(absolute(asked.source)),
        labels=None if asked.labels is None else str(asked.labels.absolute()),
        models=models,
        settings=AuditSettings(crop=asked.crop, shard_rows=asked.shard_rows),
        listing=listed,
        revision=code_revision(),
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _DECIDING} | {"the code of unturned": sources_digest()}


def _checkpoints(names: Sequence[str], settings: Settings) -> tuple[tuple[str, Path, ManifestEntry | None], ...]:
    shipped = load_manifest(settings.checkpoint_dir)
    extra = {path.stem: path for path in settings.extra_checkpoints}
    imported = () if settings.models is None else {path.stem for path in settings.models.glob("*.safetensors")}

    def found(name: str) -> tuple[str, Path, ManifestEntry | None]:
        entry = shipped.checkpoints.get(shipped.ours if name == OURS else name)
        if entry is not None:
            return name, (settings.checkpoint_dir / entry.file).absolute(), entry
        if name in imported:
            raise AuditError(
                f"--models: {name} is imported; an audit keeps grey faces of 48x48 pixels, which do a model trained on others no justice"
            )
        if name not in extra:
            raise AuditError(f"--models: there is no model {name}; there are {', '.join([*shipped.checkpoints, OURS, *extra])}")
        return name, extra[name].absolute(), None

    return tuple(found(name) for name in names)


def _audited(name: str, checkpoint: ReferenceCheckpoint) -> AuditedModel:
    metadata = checkpoint.metadata
    if metadata.colour != "grey":
        raise AuditError(f"--models: {name} was trained on colour; an audit shows its models the grey faces of 48x48 pixels that it keeps")
    return AuditedModel(
        name=name,
        checkpoint=checkpoint.name,
        sha256=checkpoint.sha256,
        minor_classes=metadata.minor_classes,
        channels=checkpoint.classifier.head.weight.shape[1],
        cells=metadata.grid.cells,
    )
