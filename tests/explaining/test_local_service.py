"""Pictures explained in the process of a command."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from app.choices import Gauge, MapMethod
from app.detection.asked_crop import parse_crop
from app.explaining.local_service import LocalService
from app.explaining.options import ExplainOptions


def test_another_method_leaves_later_threads_as_many_as_the_settings_say(
    random_checkpoints: Path, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UNTURNED_CHECKPOINT_DIR", str(random_checkpoints))
    monkeypatch.setenv("UNTURNED_COMPUTE_THREADS", "2")
    with LocalService() as service, ThreadPoolExecutor(1) as later:
        options = ExplainOptions(1, MapMethod.GRADCAM, parse_crop("whole"), Gauge.CENTRED)
        service.explain(astronaut_jpeg, service.resolve(["baseline"]), options)
        assert later.submit(torch.get_num_threads).result() == 2
