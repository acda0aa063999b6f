"""The one place that imports ONNX Runtime, so that it never reports home.

Its builds for Linux carry a telemetry client, which keeps files in the temporary folder and in the user's cache and sends events to its
maker. It starts with the import, and only this variable, set before, keeps it from starting.
"""

from __future__ import annotations

import os
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from onnxruntime import InferenceSession, SessionOptions
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf

__all__ = ["UNUSABLE_GRAPH", "InferenceSession", "open_session"]

UNUSABLE_GRAPH = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf)  # what a damaged file raises; they have no common base


def open_session(path: Path, threads: int = 1) -> InferenceSession:
    """A graph ready to run on the processor, from any number of threads at once.

    Args:
        threads: of one call.

    Raises:
        one of :data:`UNUSABLE_GRAPH`: the file is damaged.
    """
    options = SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_cpu_mem_arena = False  # it would keep the buffers of the largest input ever seen
    return InferenceSession(path, options, providers=["CPUExecutionProvider"])
