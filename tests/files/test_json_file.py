"""Files of JSON that fit a schema, or an error of one line that names the file."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import BaseModel

from model.errors import InputError
from model.files.json_file import load_json


class Point(BaseModel):
    x: int


class PointError(InputError):
    pass


def test_what_fits_is_read(tmp_path: Path) -> None:
    (tmp_path / "point.json").write_text('{"x": 3}')
    assert load_json(tmp_path / "point.json", Point, PointError) == Point(x=3)


def test_what_does_not_is_refused_by_name_field_and_remedy(tmp_path: Path) -> None:
    path = tmp_path / "point.json"
    with pytest.raises(PointError, match=r"^\S+point\.json: cannot be read \(No such file or directory\); make one$"):
        load_json(path, Point, PointError, "make one")
    path.write_text('{"x": "three"}')
    with pytest.raises(PointError, match=r"^\S+point\.json: field x: Input should be a valid integer"):
        load_json(path, Point, PointError)
    path.unlink()
    os.mkfifo(path)  # would never end
    with pytest.raises(PointError, match="no regular file"):
        load_json(path, Point, PointError)
