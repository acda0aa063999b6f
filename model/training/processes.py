"""The processes of a run: their accelerator and arithmetic, how they part, and how they are asked to stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import torch
from lightning_fabric import Fabric
from torch import Tensor


class Interrupted(Exception):
    """The run was asked to stop; its state is saved and it continues with ``--resume``."""


def native_precision() -> str:
    """``bf16-mixed`` where the accelerator, or without one the processor, computes bfloat16 itself, else ``32-true``.

    Emulated, bfloat16 is many times slower than float32: 15 times on a processor with AVX2 alone.
    """
    if torch.cuda.is_available():
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities()
        native = bool(capabilities.get("avx512_bf16") or capabilities.get("amx_bf16"))
    return "bf16-mixed" if native else "32-true"


@contextmanager
def launched_fabric(precision: str) -> Iterator[Fabric]:
    """Fabric on the processes that ``torchrun`` started, or on this one alone; they part when the block ends without an error.

    A process that exits while its group lives may be aborted by a communication thread, and fail although its work is done and saved.
    They part after :class:`Interrupted`, too, which all raise at the same step. After another exception the group is left to the exit: to
    part from processes that still wait for a reduction can block for ever.
    """
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    nodes = int(os.environ.get("WORLD_SIZE", "1")) // local
    fabric = Fabric(devices=local, num_nodes=nodes, precision=precision)  # type: ignore[arg-type]
    fabric.launch()
    try:
        yield fabric
    except Interrupted:
        _part()
        raise
    _part()


def _part() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def any_process(fabric: Fabric, flag: bool) -> bool:
    """Whether the flag is up in any process. All call this after every step, so that they stop at the same one: a process that stopped by
    itself would leave the others waiting for its gradients."""
    if fabric.world_size == 1:
        return flag
    flags = fabric.all_reduce(torch.tensor(float(flag), device=fabric.device), reduce_op="sum")
    assert isinstance(flags, Tensor)
    return flags.item() > 0


@contextmanager
def stop_requests() -> Iterator[Callable[[], bool]]:
    """Within the block, SIGINT and SIGTERM only raise a flag, which the yielded function reads; a second one acts as usual."""
    asked: list[int] = []

    def remember(number: int, _frame: FrameType | None) -> None:
        asked.append(number)
        signal.signal(number, before[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, remember)
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
