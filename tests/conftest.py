"""What tests share: checkpoints without training, a photo, and the dataset where a developer has it."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest
import torch
from fastapi.testclient import TestClient
from PIL import Image

from tests.made_checkpoints import make_checkpoint_folder

hypothesis.settings.register_profile("untimed", hypothesis.settings(), deadline=None)  # a busy machine is no fault
hypothesis.settings.load_profile("untimed")
torch.set_num_threads(1)  # for fixtures of a module or the session, which are made before those of a test


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Every test begins with it: commands run in this process set as many as they like, and a run's bits depend on how many there are."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def random_checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with ``manifest.json`` and the checkpoints ``baseline`` and ``mek_sf`` (``ours``): random weights, 5x5 maps. Read only."""
    folder = tmp_path_factory.mktemp("checkpoints")
    make_checkpoint_folder(folder)
    return folder


@pytest.fixture(scope="session")
def ferplus_zip() -> Path:
    """The FERPlus archive of the folder that UNTURNED_DATASETS names; skips where there is none."""
    path = Path(os.environ.get("UNTURNED_DATASETS", "")) / "ferplus.zip"
    if not path.is_file():
        pytest.skip("UNTURNED_DATASETS names no folder with ferplus.zip")
    return path


@pytest.fixture(scope="session")
def astronaut_jpeg() -> bytes:
    """scikit-image's portrait of Eileen Collins (public domain), 512x512, one face, as JPEG."""
    from skimage import data

    buffer = io.BytesIO()
    Image.fromarray(data.astronaut()).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def client(random_checkpoints: Path) -> Iterator[TestClient]:
    """The whole application in process, ready, with its real decoder, detector and networks (of random weights)."""
    from app.main import create_app
    from app.settings import Settings

    settings = Settings(checkpoint_dir=random_checkpoints, allowed_hosts=("testserver",), queue_length=64, work_timeout_seconds=60)
    with TestClient(create_app(settings)) as client:
        deadline = time.monotonic() + 60
        while client.get("/health/ready").status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield client
