"""The seven expressions: their order everywhere in this project, and which of them are minor."""

from __future__ import annotations

# Ordered by their count in FERPlus (Table 5 of the paper's supplement), most frequent first.
EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "fear", "disgust")

# The paper's minor classes. By count alone RAF-DB would name anger (705 training faces) before disgust (717).
MINOR_CLASSES = ("fear", "disgust")

# What data sets call them, too.
_OTHER_NAMES = {
    "neutrality": "neutral", "happy": "happiness", "sad": "sadness", "angry": "anger", "surprised": "surprise", "fearful": "fear",
    "afraid": "fear", "disgusted": "disgust",
}  # fmt: skip


def expression_index(name: str) -> int:
    """Position of an expression in :data:`EXPRESSIONS`.

    Raises:
        ValueError: the name is not one of the seven; the message lists them.
    """
    if name not in EXPRESSIONS:
        raise ValueError(f"unknown expression {name!r}: choose one of {', '.join(EXPRESSIONS)}")
    return EXPRESSIONS.index(name)


def expression_named(name: str) -> str | None:
    """The expression that a data set calls ``name``, such as ``Happy``; None where it is none of the seven."""
    name = name.lower()
    known = _OTHER_NAMES.get(name, name)
    return known if known in EXPRESSIONS else None
