"""Matplotlib's settings for what goes on paper: its own defaults and a few of ours, whatever the user has set for other figures."""

from __future__ import annotations

from typing import Any

import matplotlib

PAPER: dict[Any, Any] = {
    **{name: value for name, value in matplotlib.rcParamsDefault.items() if not name.startswith("backend")},
    "font.family": "DejaVu Sans",  # ships with matplotlib: the same file everywhere
    "text.parse_math": False,
    "pdf.fonttype": 42,  # TrueType, as publishers ask
}
