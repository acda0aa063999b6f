"""Text of strangers on the user's terminal."""

from __future__ import annotations


def printable(text: str) -> str:
    """The text with all that could steer a terminal written as Python escapes it: names of files may hold anything."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
