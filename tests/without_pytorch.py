"""The real service where nothing of PyTorch can be imported, run as a process by :mod:`tests.service.test_slim_service`.

Arguments: those of ``unturned``.
"""

from __future__ import annotations

import sys

# what the extras `torch` and `train` install, and what comes with them
ABSENT = (
    "torch",
    "torchvision",
    "pytorch_grad_cam",
    "kornia",
    "lightning_fabric",
    "onnx",
    "onnxscript",
    "scipy",
    "sklearn",
    "rich",
)
sys.modules.update(dict.fromkeys(ABSENT))  # type: ignore[arg-type]  # None makes an import fail

if __name__ == "__main__":
    from app.cli import main

    sys.exit(main(sys.argv[1:]))
