"""The fuzzer itself: it counts what it decodes, mends checksums, and tells of a decoder that dies."""

from __future__ import annotations

import zlib
from pathlib import Path

import pytest

from app.decoding.decoder import DecodedImage, Decoder
from app.errors import ErrorCode, Problem
from tests.decoding.fuzz_decoding import main, repair_checksums
from tests.pictures import UPLOADS, encoded, portrait

FEW = UPLOADS[:5]


@pytest.fixture(autouse=True)
def few_uploads(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them take long to make."""
    monkeypatch.setattr("tests.decoding.fuzz_decoding.UPLOADS", FEW)


def test_damaged_pictures_are_counted_by_their_outcomes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    crashes = tmp_path / "crashes"
    assert main(["--inputs", "40", "--crashes", str(crashes)]) == 0
    *outcomes, total = capsys.readouterr().out.splitlines()
    assert total.startswith("40 pictures in ")
    assert sum(int(line.split()[0]) for line in outcomes) == 40
    assert len(outcomes) > 1 and {line.split()[1] for line in outcomes} <= {"read", *ErrorCode}
    assert not crashes.exists()


def test_a_picture_that_a_decoder_dies_of_is_kept_and_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []

    async def die(_decoder: Decoder, data: bytes) -> DecodedImage:
        asked.append(data)
        raise Problem(ErrorCode.DECODER_FAILED)

    monkeypatch.setattr(Decoder, "decode", die)
    assert main(["--inputs", "4", "--crashes", str(tmp_path)]) == 1
    assert {path.read_bytes() for path in tmp_path.iterdir()} == set(asked)
    assert len(asked) == 4


def test_a_corpus_is_written_as_files_of_which_the_damaged_are_as_many_as_asked_for(tmp_path: Path) -> None:
    assert main(["--inputs", "3", "--write", str(tmp_path)]) == 0
    made, damaged = sorted(tmp_path.glob("made-*")), sorted(tmp_path.glob("damaged-*"))
    assert (len(made), len(damaged)) == (len(FEW), 3)
    assert not {path.read_bytes() for path in damaged} & {path.read_bytes() for path in made}


def test_a_png_gets_the_checksums_back_that_its_chunks_should_have() -> None:
    whole = encoded(portrait().resize((8, 8)), "PNG")
    damaged = bytearray(whole)
    for checksum in (zlib.crc32(whole[12:29]), zlib.crc32(b"IEND")):  # of the first chunk and of the last
        at = whole.index(checksum.to_bytes(4, "big"))
        damaged[at : at + 4] = bytes(4)
    repair_checksums(damaged)
    assert damaged == whole
