"""The number of a face in an address."""

from __future__ import annotations

from starlette.convertors import IntegerConvertor, register_url_convertor


class FaceNumber(IntegerConvertor):
    """``{index:face}``: nine digits at most, since Python refuses to read thousands."""

    regex = "[0-9]{1,9}"


register_url_convertor("face", FaceNumber())
INDEX = "{index:face}"
