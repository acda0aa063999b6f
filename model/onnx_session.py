"""The one place that imports ONNX Runtime, so that it never reports home.

Its builds for Linux carry a telemetry client, which keeps files in the temporary folder and in the user's cache and sends events to its
maker. It starts with the import, and only this variable, set before, keeps it from starting.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

os.environ["ORT_DISABLE_TELEMETRY"] = "1"

from onnxruntime import InferenceSession, OrtValue, SessionOptions
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, RuntimeException
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as Unsupported

__all__ = ["UNUSABLE_GRAPH", "InferenceSession", "open_session", "open_with_weights"]

# What a damaged file raises; they have no common base.
UNUSABLE_GRAPH = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, RuntimeException, Unsupported, UnicodeDecodeError)


def open_session(graph: Path | bytes, threads: int = 1) -> InferenceSession:
    """A graph ready to run on the processor, from any number of threads at once.

    Args:
        threads: of one call.

    Raises:
        one of :data:`UNUSABLE_GRAPH`: the file is damaged, or keeps weights in other files.
    """
    options = _options(threads)
    # a graph that names other files reads none: there is nothing in this folder, and it may not leave it
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def open_with_weights(
    graph: bytes, weights: Mapping[str, NDArray[np.float32]], sizes: Mapping[str, int], threads: int = 1
) -> InferenceSession:
    """As :func:`open_session`, for a graph that names weights it does not hold.

    Args:
        weights: by the graph's names, in its shapes, in contiguous arrays that must outlive the session: it may read them where they are.
        sizes: of its free dimensions, by their names.
    """
    options = _options(threads)
    for name, size in sizes.items():
        options.add_free_dimension_override_by_name(name, size)
    options.add_external_initializers(list(weights), [OrtValue.ortvalue_from_numpy(value) for value in weights.values()])
    return InferenceSession(graph, options, providers=["CPUExecutionProvider"])


def _options(threads: int) -> SessionOptions:
    options = SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_cpu_mem_arena = False  # it would keep the buffers of the largest input ever seen
    return options
