"""EAC: erasing attention consistency; Zhang et al., "Learn From All: Erasing Attention Consistency for Noisy Label Facial Expression
Recognition", ECCV 2022.

``L = CE(z, y) + lambda mean_{n,l,h,w} (M - fl(M'))^2``: the attention maps of a face and of its mirror image must be mirror images of
each other, and only the face as seen is classified. What differs from the official code: the mirror image is always that of the
erased face (the code's setting for clean labels), both views share one forward pass, the pair is drawn for a share of each batch, and
lambda is 0.05: with the paper's 5 the maps of this backbone go flat (82.42 overall, 62.59 mean on PublicTest after 10 epochs).
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from model.maps.measures import paper_flip_error
from model.methods.attention_consistency import predict_with_pairs
from model.methods.base import Batch, Method
from model.methods.settings import EacSettings


class Eac(Method):
    """Cross-entropy on the faces as seen, plus lambda times the flip error of the maps, alike for every class."""

    name = "eac"
    Settings = EacSettings

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        prediction, maps, mirrored = predict_with_pairs(self, batch.images, self.settings.pair_share)
        labels = F.cross_entropy(prediction.logits, batch.labels)
        consistency = paper_flip_error(maps, mirrored).mean()
        return {"loss": labels + self.settings.consistency * consistency, "labels": labels, "consistency": consistency}
