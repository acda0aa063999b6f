"""What a run may replace: a result, or a shipped checkpoint, of the same run done before. Another run's is left where it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from model.checkpoints import CheckpointMetadata
from model.errors import InputError
from model.measuring.results import RunResult
from model.methods.settings import whole_settings
from model.training.config import TrainingConfig
from model.training.protocol import Protocol


def planned_choices(config: TrainingConfig, hyperparameters: Mapping[str, Any], counts: Mapping[str, int] | None) -> dict[str, Any]:
    """By name, whatever makes a run another one; the training faces' ``counts`` once they are known."""
    choices = {name: getattr(config, name) for name in asdict(Protocol())} | {"parts": hyperparameters["parts"]}  # over all processes
    faces = {} if counts is None else {"training faces": counts}
    return choices | _constants(config.method, hyperparameters) | {"seed": config.seed} | faces


def recorded_choices(run: RunResult | CheckpointMetadata) -> dict[str, Any]:
    """The same of a run that was made; one from before a choice was there had its default."""
    return (
        asdict(Protocol.of(run)) | _constants(run.method, run.hyperparameters) | {"seed": run.seed, "training faces": run.training_counts}
    )


def _constants(method: str, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "precision": hyperparameters["precision"],
        "teachers": hyperparameters.get("teachers"),
        "settings": whole_settings(method, hyperparameters["settings"]),
    }


def refuse_to_replace(path: Path, there: RunResult | CheckpointMetadata, planned: Mapping[str, Any], remedy: str) -> None:
    """Hold a file that a run would replace against what the run is planned to be; ``remedy`` is what keeps both.

    Raises:
        InputError: the file is of a run with other choices, which are named.
    """
    recorded = recorded_choices(there)
    differing = sorted(name for name, value in planned.items() if recorded[name] != value)
    if differing:
        raise InputError(f"{path} holds a run that differs in {', '.join(differing)}: {remedy}")
