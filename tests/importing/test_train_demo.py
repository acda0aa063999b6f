"""The trained demonstration from its program to a probed import: both sides find the same accuracy."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
import torch
from torchvision.models import resnet18

from app.cli import main
from benchmarks import train_demo
from model.importing.imported import ImportedModel, load_model
from tests.made_ferplus import write_ferplus


@pytest.mark.slow
def test_what_it_trains_is_imported_with_the_accuracy_that_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "ferplus").mkdir()
    data = str(write_ferplus(tmp_path / "ferplus", train=70, test=28))
    trained = tmp_path / "demo.pth"
    monkeypatch.setattr(sys, "argv", ["train_demo", str(trained), "--data", data, "--size", "64", "--epochs", "2", "--threads", "1"])
    train_demo.main()
    printed = re.search(r"(0\.\d+) of the 28 test faces", capsys.readouterr().out)
    assert printed is not None
    resnet18(num_classes=7).load_state_dict(torch.load(trained, weights_only=True))

    told = ["--recipe", "torchvision", "--name", "demo", "--size", "64", "--probe", data, "--accuracy", printed[1], "--out", str(tmp_path)]
    assert main(["import", str(trained), *told]) == 0
    model = load_model(tmp_path / "demo.safetensors")
    assert isinstance(model, ImportedModel) and model.metadata.probe is not None
    assert model.metadata.probe.accuracy == pytest.approx(float(printed[1]), abs=1e-4)
    assert model.metadata.face_size == 48
