"""What a training face goes through: it is changed, differently each time, and stays a grey picture in 0..255."""

from __future__ import annotations

import torch

from model.data.augment import Augmentation
from model.preprocessing import network_input

SIDE = 67
FACES = 32


def faces() -> torch.Tensor:
    """Smooth faces, brighter to the right and downwards."""
    ramp = torch.linspace(40, 200, 48)
    return ((ramp + ramp.unsqueeze(1)) / 2).to(torch.uint8).expand(FACES, 48, 48).contiguous()


def augmented(seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return Augmentation(SIDE)(faces())


def test_every_face_is_changed_each_in_its_own_way() -> None:
    plain, changed = network_input(faces(), SIDE), augmented(1)
    assert changed.shape == plain.shape
    assert ((changed - plain).abs().mean((1, 2, 3)) > 1).all()
    differences = torch.cdist(changed.flatten(1), changed.flatten(1)) + torch.eye(FACES) * 1e9
    assert differences.min() > 1


def test_pictures_stay_grey_and_within_range() -> None:
    changed = augmented(1)
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert torch.equal(changed[:, 0], changed[:, 2])
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_about_half_are_mirrored_and_half_have_a_part_erased() -> None:
    changed = torch.cat([augmented(seed) for seed in range(8)])[:, 0]
    half = SIDE // 2
    mirrored = (changed[:, :, :half].mean((1, 2)) > changed[:, :, -half:].mean((1, 2))).float().mean()
    erased = ((changed - 127.5).abs() < 1e-3).flatten(1).float().mean(1).gt(0.015).float().mean()
    assert 0.35 < mirrored < 0.65  # 256 faces: 5 standard deviations
    assert 0.35 < erased < 0.65


def test_the_global_generator_decides() -> None:
    assert torch.equal(augmented(3), augmented(3))
    assert not torch.equal(augmented(3), augmented(4))


def test_erasing_alone_leaves_the_rest_of_a_face_as_it_was() -> None:
    torch.manual_seed(1)
    plain, changed = network_input(faces(), SIDE), Augmentation(SIDE, "erase")(faces())
    kept = (changed - plain).abs() < 0.1
    assert torch.all(kept | ((changed - 127.5).abs() < 1e-3))
    assert 0.2 < (~kept).flatten(1).any(1).float().mean() < 0.8


def test_erasing_and_mirror_give_the_face_or_its_mirror_image_but_for_the_rectangle() -> None:
    torch.manual_seed(1)
    plain, changed = network_input(faces(), SIDE), Augmentation(SIDE, "erase-mirror")(faces())
    erased = (changed - 127.5).abs() < 1e-3
    as_it_is, mirrored = ((((changed - face).abs() < 0.1) | erased).flatten(1).all(1) for face in (plain, plain.flip(-1)))
    assert torch.all(as_it_is ^ mirrored)
    assert 0.2 < mirrored.float().mean() < 0.8


def test_a_colour_face_is_changed_alike_in_all_channels() -> None:
    red = faces().unsqueeze(1).float() * torch.tensor([1.0, 0.5, 0.25]).view(1, 3, 1, 1)
    torch.manual_seed(1)
    changed = Augmentation(SIDE, "erase-mirror")(red.round().to(torch.uint8))
    kept = (changed - 127.5).abs().amin(1) > 1  # outside the erased rectangle
    torch.testing.assert_close(changed[:, 1][kept], changed[:, 0][kept] / 2, atol=1.0, rtol=0)
    torch.testing.assert_close(changed[:, 2][kept], changed[:, 0][kept] / 4, atol=1.0, rtol=0)
    torch.manual_seed(1)
    torch.testing.assert_close(Augmentation(SIDE, "erase-mirror")(faces())[:, 0], changed[:, 0], atol=1.0, rtol=0)
