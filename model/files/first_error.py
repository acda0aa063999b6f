"""What is wrong with a file that does not fit its schema, in one line."""

from __future__ import annotations

from pydantic import ValidationError


def first_error(error: ValidationError) -> str:
    """The first field that does not fit, and why: ``field a.b: reason``."""
    first = error.errors()[0]
    field = ".".join(str(part) for part in first["loc"]) or "content"
    return f"field {field}: {first['msg']}"
