"""A mutation fuzzer for the picture decoder, run on the real decoder processes, which may refuse a picture but never die of it.

Starts from small pictures of every format and mode, and from the small ones of :mod:`tests.pictures`, and damages them: bytes changed, cut
out, repeated, or taken from another; half of the PNG files get their checksums repaired, or no damage would get past the first.

    python -m tests.decoding.fuzz_decoding --inputs 100000
    python -m tests.decoding.fuzz_decoding --inputs 300 --write FOLDER
"""

from __future__ import annotations

import argparse
import asyncio
import random
import resource
import struct
import sys
import time
import zlib
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageCms

from app.decoding.decoder import DecodeLimits, Decoder
from app.errors import ErrorCode, Problem
from tests.pictures import ORIENTATION, UPLOADS, encoded, portrait

CORPUS_LIMIT_BYTES = 40_000  # larger ones take long and teach little
PROCESSES = 2
INTERESTING = (
    b"\x00",
    b"\xff",
    b"\x7f",
    b"\x80",
    b"\x00\x00",
    b"\xff\xff",
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xff\xd8",
    b"\xff\xda",
)
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

Mutation = Callable[[random.Random, bytearray, list[bytes]], None]


def corpus() -> list[bytes]:
    """The pictures to start from."""
    small = portrait().resize((64, 64))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    modes = [small.convert(mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")]
    written = [encoded(image, "PNG", icc_profile=profile) for image in modes]
    written += [
        encoded(small.convert(mode), "JPEG", exif=exif, progressive=slow) for mode in ("L", "RGB", "CMYK") for slow in (False, True)
    ]
    written += [encoded(small.convert(mode), "WEBP", exif=exif, lossless=exact) for mode in ("RGB", "RGBA") for exact in (False, True)]
    uploads = (upload.build() for upload in UPLOADS)
    return written * 3 + [data for data in uploads if 16 < len(data) <= CORPUS_LIMIT_BYTES]


def change_bits(source: random.Random, data: bytearray, _: list[bytes]) -> None:
    for _unused in range(source.choice((1, 1, 2, 8, 32))):
        data[source.randrange(len(data))] ^= 1 << source.randrange(8)


def overwrite(source: random.Random, data: bytearray, _: list[bytes]) -> None:
    value = source.choice(INTERESTING)
    start = source.randrange(len(data))
    data[start : start + len(value)] = value


def cut_out(source: random.Random, data: bytearray, _: list[bytes]) -> None:
    start = source.randrange(8, len(data))
    del data[start : start + source.choice((1, 4, 64, len(data)))]


def repeat(source: random.Random, data: bytearray, _: list[bytes]) -> None:
    start = source.randrange(len(data))
    piece = data[start : start + source.choice((1, 4, 64, 1024))]
    data[start:start] = piece * source.choice((1, 2, 16))


def splice(source: random.Random, data: bytearray, others: list[bytes]) -> None:
    other = source.choice(others)
    start = source.randrange(len(other))
    at = source.randrange(8, len(data))
    length = source.choice((4, 64, 1024))
    data[at : at + length] = other[start : start + length]


MUTATIONS: tuple[Mutation, ...] = (change_bits, overwrite, cut_out, repeat, splice)


def repair_checksums(data: bytearray) -> None:
    """Give every PNG chunk that is whole the checksum it should have."""
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            return
        struct.pack_into(">I", data, end, zlib.crc32(data[at + 4 : end]))
        at = end + 4


def mutated(source: random.Random, pictures: list[bytes]) -> bytes:
    """One of the pictures, damaged one to three times; at least nine bytes are left."""
    data = bytearray(source.choice(pictures))
    for _ in range(source.randint(1, 3)):
        if len(data) > 8:
            source.choice(MUTATIONS)(source, data, pictures)
    if data.startswith(PNG_SIGNATURE) and source.random() < 0.5:
        repair_checksums(data)
    return bytes(data)


def keep(data: bytes, folder: Path) -> None:
    """Write a picture that a decoder died of into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{zlib.crc32(data):08x}").write_bytes(data)


async def fuzz(inputs: int, seed: int, crashes: Path) -> Counter[str]:
    """Decode that many damaged pictures; how often each outcome came. Those that a decoder died of are kept in the folder ``crashes``."""
    outcomes: Counter[str] = Counter()
    source = random.Random(seed)
    pictures = corpus()
    decoder = Decoder(DecodeLimits(), processes=PROCESSES)
    await decoder.start()

    async def work(share: int) -> None:
        for _ in range(share):
            data = mutated(source, pictures)
            try:
                await decoder.decode(data)
                outcomes["read"] += 1
            except Problem as problem:
                outcomes[problem.code] += 1
                if problem.code == ErrorCode.DECODER_FAILED:
                    keep(data, crashes)

    await asyncio.gather(*(work(inputs // PROCESSES) for _ in range(PROCESSES)))
    await decoder.stop()
    return outcomes


def write(inputs: int, seed: int, folder: Path) -> None:
    """Write the pictures of :mod:`tests.pictures`, and that many damaged ones, as files of a corpus to replay elsewhere."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, upload in enumerate(UPLOADS):
        (folder / f"made-{number:03}").write_bytes(upload.build())
    source, pictures = random.Random(seed), corpus()
    for number in range(inputs):
        (folder / f"damaged-{number:06}").write_bytes(mutated(source, pictures))


def main(arguments: list[str] | None = None) -> int:
    """Fuzz and report; exit status 1 where a decoder died."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=100_000, help="damaged pictures to decode")
    parser.add_argument("--seed", type=int, default=1, help="of the damage")
    parser.add_argument("--crashes", type=Path, default=Path("runs/fuzz"), help="folder for the pictures that a decoder died of")
    parser.add_argument("--write", type=Path, help="folder to write them to, with those they were made of; nothing is decoded")
    options = parser.parse_args(arguments)
    if options.write is not None:
        write(options.inputs, options.seed, options.write)
        return 0
    start = time.monotonic()
    outcomes = asyncio.run(fuzz(options.inputs, options.seed, options.crashes))
    for code, count in outcomes.most_common():
        print(f"{count:8d}  {code}")
    largest_kib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    print(f"{outcomes.total()} pictures in {time.monotonic() - start:.0f} s; the largest decoder had {largest_kib / 1024:.0f} MiB")
    return 1 if outcomes[ErrorCode.DECODER_FAILED] else 0


if __name__ == "__main__":
    sys.exit(main())
