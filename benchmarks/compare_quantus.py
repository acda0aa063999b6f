"""The certificate's figures against Quantus (Hedström et al., JMLR 2023) on the same maps, faces and model.

Quantus needs an environment of its own, as it brings OpenCV's other wheel: ``pip install --no-deps quantus`` beside this project's packages
and ``pandas``. What it gives is kept in ``benchmarks/results/quantus.json``, which a test holds this project's figures to.

    python -m benchmarks.compare_quantus
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam.metrics.road import NoisyLinearImputer
from torch import Tensor, nn

from benchmarks.timing import RESULTS, save
from model.certifying.perturbation import probability_curves
from model.certifying.randomisation import BINS, complexity, similarity
from model.certifying.regions import expression_area
from model.claims.faithfulness import pixel_ranks
from model.maps.measures import mass_share
from model.measuring.bootstrap import Floats

RESULT = RESULTS / "quantus.json"
STEPS = 8
PIXELS = 48 * 48
KEPT_SHARE = 0.6  # of the pixels of the imputed pictures


class Patches(nn.Module):
    """Seven logits from the brightness of 6x6 patches: a model that both sides can run and every machine can make again."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(36, 7)
        self.linear.weight.data = 4 * torch.randn(7, 36, generator=torch.Generator().manual_seed(2))
        self.linear.bias.data.zero_()

    def forward(self, faces: Tensor) -> Tensor:
        logits: Tensor = self.linear(nn.functional.avg_pool2d(faces, 8).flatten(1))
        return logits


class Case(NamedTuple):
    """Smooth random ``faces`` (N, 1, 48, 48) in 0..1, their ``classes`` (N,), and two sets of ``maps`` (N, 48, 48) without equal values."""

    faces: Tensor
    classes: Tensor
    maps: Floats
    others: Floats


def case(count: int = 6) -> Case:
    """The same case on every machine."""
    generator = torch.Generator().manual_seed(1)

    def smooth(cells: int) -> Tensor:
        coarse = torch.rand(count, 1, cells, cells, generator=generator)
        return nn.functional.interpolate(coarse, size=(48, 48), mode="bilinear")

    faces, maps, others = smooth(8), smooth(6)[:, 0] - 0.5, smooth(6)[:, 0] - 0.5
    noise = 1e-3 * torch.rand(2, *maps.shape, generator=generator)
    with torch.no_grad():
        classes = Patches()(faces).argmax(1)
    return Case(faces, classes, (maps + noise[0]).double().numpy(), (maps / 2 + others + noise[1]).double().numpy())


def removed_pixels(ranks: NDArray[np.float32]) -> NDArray[np.bool_]:
    """The pixels ``(N, 48, 48)`` that both sides impute: those of the highest ranks."""
    return np.asarray(ranks > KEPT_SHARE)


def own_values() -> dict[str, Floats]:
    """What this project computes, by the name of the figure."""
    faces, classes, maps, others = case()
    flat = faces.mean((2, 3), keepdim=True).expand_as(faces)
    ranks = pixel_ranks(maps)
    with torch.no_grad():
        deletion = probability_curves(Patches(), faces, flat, ranks, classes, STEPS)[:, 1:]
    kept = torch.from_numpy(~removed_pixels(ranks)).float()
    imputed = [NoisyLinearImputer(noise=0.0)(face, mask) for face, mask in zip(faces, kept, strict=True)]
    return {
        "similarity": similarity(maps, others),
        "complexity": complexity(maps),
        "rise of complexity": (complexity(others) - complexity(maps)) / complexity(maps),
        "mass in the area of happiness": mass_share(maps, expression_area("happiness")),
        "deletion": deletion,
        "imputation of ROAD": np.stack([picture.double().numpy()[0].mean(1) for picture in imputed]),
    }


def quantus_values() -> dict[str, Floats]:
    """What Quantus computes."""
    import quantus
    from quantus.functions import complexity_func, perturb_func, similarity_func

    faces, classes, maps, others = case()
    pictures, labels, attributions = faces.numpy(), classes.numpy(), maps[:, None]
    area = np.broadcast_to(expression_area("happiness"), attributions.shape)

    def entropies(values: Floats) -> Floats:
        return np.array([complexity_func.discrete_entropy(a, a, n_bins=BINS) for a in values])

    def flat(values: Floats) -> Floats:
        return values.reshape(len(values), -1)

    # its own "mean" is that of the picture as it is after the steps before
    grey = np.repeat(faces.mean((2, 3)).numpy(), PIXELS // STEPS, axis=1)
    mass = quantus.RelevanceMassAccuracy(abs=False, normalise=False, disable_warnings=True)
    flipping = quantus.PixelFlipping(
        features_in_step=PIXELS // STEPS, perturb_baseline=grey, abs=False, normalise=False, disable_warnings=True
    )
    given: dict[str, Any] = {"model": Patches().eval(), "x_batch": pictures, "y_batch": labels, "channel_first": True, "softmax": True}
    holes = [np.flatnonzero(mask) for mask in removed_pixels(pixel_ranks(maps))]
    imputed = [perturb_func.noisy_linear_imputation(arr=face, indices=hole, noise=0.0) for face, hole in zip(pictures, holes, strict=True)]
    return {
        "similarity": np.abs(similarity_func.correlation_spearman(flat(maps), flat(others), batched=True)),
        "complexity": entropies(maps),
        "rise of complexity": (entropies(others) - entropies(maps)) / entropies(maps),
        "mass in the area of happiness": np.array(mass(**given, a_batch=np.maximum(attributions, 0), s_batch=area)),
        "deletion": np.array(flipping(**given, a_batch=attributions)),
        "imputation of ROAD": np.stack([np.asarray(picture).reshape(48, 48).mean(1) for picture in imputed]),
    }


def main() -> None:
    theirs, ours = quantus_values(), own_values()
    kept = {name: np.asarray(values, dtype=np.float64).round(8).tolist() for name, values in theirs.items()}
    save("quantus", kept, {"steps": STEPS, "kept_share": KEPT_SHARE}, ["quantus", "grad-cam", "numpy", "torch"])
    for name, values in theirs.items():
        print(f"| {name} | {np.abs(ours[name] - values).max():.1e} |")


if __name__ == "__main__":
    main()
