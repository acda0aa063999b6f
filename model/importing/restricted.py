"""Taking rights away from the calling process, by means that any user has; for good."""

from __future__ import annotations

import ctypes
import os
import resource
import struct
import sys

_CREATE_RULESET, _RESTRICT_SELF = 444, 446  # Landlock's system calls, the same on every processor
_NO_NEW_PRIVILEGES = 38
# Landlock's rights by the version of its interface that brought them; those to read and to list are left.
_CHANGING = {1: 0b1_1111_1111_0010, 2: 1 << 13, 3: 1 << 14}
_NETWORK = {4: 0b11}
_SCOPES = {6: 0b11}  # signals to other processes, and their abstract sockets


def forbid_changes() -> None:
    """Let this thread, and those it starts, do less, as far as the kernel's Landlock goes: make, write, delete and move no file from
    version 1 of its interface on (Linux 5.13), cut none short from 3 on (6.2), reach no TCP port from 4 on (6.7), signal no other process
    from 6 on (6.12). No version keeps a file's mode and times from being changed.

    Threads that run already keep their rights: call it where there are none.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return
    rights = [sum(bits for since, bits in kind.items() if since <= version) for kind in (_CHANGING, _NETWORK, _SCOPES)]
    attributes = struct.pack("QQQ", *rights)[: 8 * (1 + (version >= 4) + (version >= 6))]
    ruleset = libc.syscall(_CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        return
    libc.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    libc.syscall(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)


def forbid_opening(memory_bytes: int, cpu_seconds: int) -> None:
    """Let this process open neither file nor socket, and use so much more memory and processor time; what is open stays so.

    Memory is limited where the system says how much is in use, which is on Linux; a limit that is lower already stays.
    """
    mapped = _mapped_bytes()
    if mapped is not None:
        _lower(resource.RLIMIT_AS, mapped + memory_bytes)
    _lower(resource.RLIMIT_CPU, cpu_seconds)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, 0))  # at 3 a closed standard stream would make room


def _lower(kind: int, limit: int) -> None:
    _, hard = resource.getrlimit(kind)
    kept = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(kind, (kept, kept))


def _mapped_bytes() -> int | None:
    """Address space in use; None where the system does not say."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 - pathlib would read no less
            return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None
