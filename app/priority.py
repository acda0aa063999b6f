"""Who goes first on a busy core: the event loop, then whatever computes."""

from __future__ import annotations

import os

NICENESS = 5  # a third of the event loop's share where both want the core at once; alone on it, all of it


def give_way() -> None:
    """Put the calling thread, and what it starts, behind the event loop. Linux has a niceness for each thread.

    The loop needs little and at once: to refuse, to answer a probe, to take in a body. A thread or a decoder that computes for tens of
    milliseconds does not feel the difference.
    """
    os.nice(NICENESS)
