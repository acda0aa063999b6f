"""Files of JSON that fit a schema, or an error of one line."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from model.errors import InputError
from model.files.first_error import first_error
from model.files.regular_file import read_regular_file

Schema = TypeVar("Schema", bound=BaseModel)


def load_json(path: Path, schema: type[Schema], refusal: type[InputError], remedy: str = "") -> Schema:
    """The file's content as its schema has it.

    Args:
        refusal: the error to raise; its message names the file.
        remedy: what to do where the file cannot be read.

    Raises:
        InputError: a ``refusal``: the file cannot be read, or does not fit the schema.
    """
    try:
        return schema.model_validate_json(read_regular_file(path))
    except OSError as error:
        raise refusal(f"{path}: cannot be read ({error.strerror}){remedy and f'; {remedy}'}") from error
    except ValidationError as error:
        raise refusal(f"{path}: {first_error(error)}") from error
