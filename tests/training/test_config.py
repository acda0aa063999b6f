"""Choices that cannot be trained with are refused before anything is read, by a line that says what would do."""

from __future__ import annotations

from typing import Any

import pytest

from model.errors import InputError
from model.training.config import TrainingConfig


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"input_size": 34}, "--input-size of dlib_resnet is 35 to 512 pixels, not 34"),
        ({"input_size": 513}, "35 to 512 pixels, not 513"),
        ({"network": "resnet18", "input_size": 31}, "--input-size of resnet18 is 32 to 512 pixels, not 31"),
        ({"epochs": 0}, "--epochs must be at least 1"),
        ({"batch": 0}, "--batch must be at least 1"),
        ({"parts": 0}, "--parts must be at least 1"),
        ({"lr": 0.0}, "--lr must be a number above 0"),
        ({"lr": float("nan")}, "--lr must be a number above 0"),
        ({"weight_decay": -1.0}, "--weight-decay must be a number of 0 or more"),
        ({"seed": -1}, "--seed must be 0 or more"),
        ({"seed": 2**64}, r"below 2\*\*64, not 18446744073709551616"),
        ({"resnet18_weights": "weights.safetensors"}, "--resnet18-weights are for --network resnet18"),
        ({"network": "resnet18", "resnet18_weights": "absent.safetensors"}, "--resnet18-weights absent.safetensors: no such file"),
        ({"augmentation": "mixup"}, "--augmentation must be one of full, erase-mirror, erase, not 'mixup'"),
        ({"optimizer": "sgd"}, "--optimizer must be one of adamw-onecycle, adam-exponential, not 'sgd'"),
        ({"network": "vgg"}, "choose one of dlib_resnet, resnet18"),
        ({"method": "mekk"}, "unknown method 'mekk': choose one of baseline, "),
        ({"teachers": ("mine.safetensors",)}, "--teachers are for --method cac; baseline learns from labels alone"),
        ({"method": "cac", "teachers": ("mine.safetensors",)}, "go together: give both or none"),
        ({"method": "cac", "settings": (("distillation", "0.5"),)}, "go together: give both or none"),
        ({"settings": (("beta", "0.9"),)}, "method baseline has no setting 'beta'; it has: none"),
        ({"method": "cb", "settings": (("beta", "1"),)}, "setting beta must be 0 or more and below 1, not 1"),
        ({"method": "cb", "settings": (("reweight_from", "2"),)}, "setting reweight_from must be 0 to 1, not 2"),
        ({"method": "eac", "settings": (("pair_share", "0"),)}, "setting pair_share must be above 0"),
        ({"method": "mek", "settings": (("pair_share", "0"),)}, "setting pair_share must be above 0"),
        ({"method": "mek_sf", "settings": (("pair_share", "1.1"),)}, "setting pair_share must be above 0"),
        ({"method": "cac", "settings": (("pair_share", "nan"),)}, "setting pair_share must be above 0"),
    ],
)
def test_a_choice_that_cannot_do_is_refused(choices: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        TrainingConfig(**{"method": "baseline"} | choices)


@pytest.mark.parametrize(("batch", "parts", "processes"), [(64, 24, 1), (10, 4, 1), (8, 8, 1), (64, 3, 2), (6, 2, 2)])
def test_parts_of_a_batch_are_equal_and_have_two_faces_or_more(batch: int, parts: int, processes: int) -> None:
    with pytest.raises(InputError, match="equal parts of two faces or more"):
        TrainingConfig(method="baseline", batch=batch, parts=parts).check_shares(processes)


@pytest.mark.parametrize(("batch", "parts", "processes"), [(64, 1, 1), (64, 32, 1), (64, 4, 2), (7, 1, 1)])
def test_equal_parts_will_do(batch: int, parts: int, processes: int) -> None:
    TrainingConfig(method="baseline", batch=batch, parts=parts).check_shares(processes)


@pytest.mark.parametrize(
    ("batch", "parts", "processes", "share"), [(64, 16, 1, "0.25"), (8, 2, 1, "0.25"), (8, 1, 2, "0.25"), (16, 1, 1, "0.05")]
)
def test_a_contrast_needs_two_pairs_in_a_part(batch: int, parts: int, processes: int, share: str) -> None:
    def chosen(**settings: str) -> TrainingConfig:
        return TrainingConfig(method="cac", batch=batch, parts=parts, settings=(("pair_share", share), *settings.items()))

    with pytest.raises(InputError, match="has one pair, which setting contrast cannot tell from another"):
        chosen().check_shares(processes)
    chosen(contrast="0").check_shares(processes)
    chosen(pair_share="0.5").check_shares(processes)
