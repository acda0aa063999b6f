"""What runs an imported model for the service: PyTorch."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from model.classifier import LogitsAlone, Prediction
from model.importing.imported import ImportedModel, dataset_input
from model.importing.integrated import IntegratedHead
from model.predictor import Answer, Faces, Floats


class ImportedPredictor:
    """An imported model as a :class:`model.predictor.Predictor`."""

    def __init__(self, model: ImportedModel) -> None:
        self._model = model

    @property
    def bias(self) -> Floats:
        return self._model.classifier.head.bias.numpy()

    def head(self) -> nn.Module:
        head = self._model.classifier.head
        return head.layers if isinstance(head, IntegratedHead) else LogitsAlone(head)

    @torch.inference_mode()
    def __call__(self, faces: Faces) -> Answer:
        """Faces are brought to the size of the training faces, then to the input's."""
        classifier = self._model.classifier
        features = classifier.network(dataset_input(self._model, torch.from_numpy(np.ascontiguousarray(faces))))
        prediction: Prediction = classifier.head(features)
        return Answer(prediction.logits.numpy(), prediction.maps.numpy(), features.numpy())
