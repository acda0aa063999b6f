"""What a model may be called: as its file without the ending, a name that stands in addresses and pages."""

from __future__ import annotations

MODEL_NAME = r"[A-Za-z0-9_.+-]{1,64}"
MODEL_NAME_RULE = "at most 64 letters, digits and _ . + -"
