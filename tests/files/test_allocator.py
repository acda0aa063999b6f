"""Freed memory stays with the process: counted in the page faults of the kernel."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import ctypes, resource
from model.files.allocator import keep_freed_memory
if {keep}:
    keep_freed_memory()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
def faults(rounds):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(rounds):
        block = libc.malloc(64 << 20)
        ctypes.memset(block, 1, 64 << 20)
        libc.free(block)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults(1)
print(faults(10))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc")
def test_a_large_block_is_cleared_by_the_kernel_once() -> None:
    def faults(keep: bool) -> int:
        program = [sys.executable, "-c", PROGRAM.format(keep=keep)]
        return int(subprocess.run(program, check=True, capture_output=True, text=True).stdout)

    # ten times 64 MiB: in pages of 4 KiB 163840, in huge ones of 2 MiB 320
    assert faults(keep=False) >= 320
    assert faults(keep=True) < 20
