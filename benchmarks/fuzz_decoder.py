"""Sends damaged pictures to a decoder process, over and over, and stops at the first that it does not answer.

The corpus is made here: small pictures of every format, mode and metadata the service reads, and of some it refuses. An input is one of
them with bytes flipped, replaced, repeated, removed or moved, or with interesting numbers put where sizes often are; the checksums of PNG
chunks are repaired in half of the cases, so that the damage reaches the decoder behind them. An answer is pixels, or a refusal that is not
a server error.
The memory of the process is sampled; growth beyond ``--growth-mib`` over its size after the first tenth is a failure too.

    python benchmarks/fuzz_decoder.py --inputs 100000
"""

from __future__ import annotations

import argparse
import io
import random
import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
from PIL import Image

from app.decoder_child import ChildLimits, limits_as_arguments
from app.decoder_process import DecoderDied, DecoderProcess
from app.errors import ErrorCode
from app.image_headers import PNG_SIGNATURE, DecodeLimits

# small, so that an input costs well under a millisecond; large enough for several rows of blocks
SIZE = (48, 40)
LIMITS = DecodeLimits(max_pixels=1_000_000, max_baseline_jpeg_pixels=1_000_000)
INTERESTING = (0, 1, 2, 7, 8, 16, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
ALLOWED_STATUS = {415, 422}


def corpus() -> list[bytes]:
    """One small picture of each kind."""
    pixels = np.random.default_rng(0).integers(0, 256, (SIZE[1] // 4, SIZE[0] // 4, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels).resize(SIZE)
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x8825] = {1: "N", 2: (47.0, 22.0, 12.0)}
    files = []

    def add(kind: str, mode: str = "RGB", **options: object) -> None:
        file = io.BytesIO()
        picture.convert(mode).save(file, kind, **options)
        files.append(file.getvalue())

    add("JPEG", exif=exif)
    add("JPEG", mode="L", quality=30)
    add("JPEG", mode="CMYK")
    add("JPEG", progressive=True, subsampling=0)
    add("JPEG", restart_marker_blocks=2, icc_profile=b"profile" * 30)
    add("MPO", save_all=True, append_images=[picture])
    for mode in ("1", "L", "P", "LA", "RGB", "RGBA", "I;16"):
        add("PNG", mode=mode)
    add("PNG", mode="P", transparency=3, exif=exif)
    add("PNG", mode="L", transparency=0, icc_profile=b"profile" * 30)
    add("PNG", save_all=True, append_images=[picture.rotate(90)])
    add("WEBP", quality=50, exif=exif)
    add("WEBP", lossless=True, mode="RGBA")
    add("WEBP", mode="RGBA", quality=40, icc_profile=b"profile" * 30)
    add("WEBP", save_all=True, append_images=[picture.rotate(90)])
    add("GIF", mode="P")
    return files


def mutated(rng: random.Random, seeds: list[bytes]) -> bytes:
    """A seed after one, two or four mutations."""
    data = bytearray(rng.choice(seeds))
    for _ in range(1 << rng.randrange(3)):
        if len(data) < 16:
            break
        _mutate(rng, data, seeds)
    repaired = rng.random() < 0.5 and data.startswith(PNG_SIGNATURE)
    return with_checksums(bytes(data)) if repaired else bytes(data)


def _mutate(rng: random.Random, data: bytearray, seeds: list[bytes]) -> None:
    # half of the damage goes to the first part, where headers are
    at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(len(data), 256))
    end = min(len(data), at + 1 + int(rng.expovariate(1 / 12)))
    kind = rng.randrange(7) if rng.random() < 0.98 else 7  # cutting the file off is rarely interesting
    if kind == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[at] = rng.randrange(256)
    elif kind == 2:
        packed = struct.pack(rng.choice((">I", "<I")), rng.choice(INTERESTING))
        data[at : at + 4] = packed
    elif kind == 3:
        del data[at:end]
    elif kind == 4:
        data[at:at] = data[at:end] * rng.choice((1, 2, 50))
    elif kind == 5:
        data[at:end] = rng.randbytes(end - at)
    elif kind == 6:
        other = rng.choice(seeds)
        start = rng.randrange(len(other))
        data[at:end] = other[start : start + (end - at) * 4]
    else:
        del data[at + 1 :]


def with_checksums(data: bytes) -> bytes:
    """A PNG with right checksums as far as its chunks can be walked."""
    fixed = bytearray(data)
    position = len(PNG_SIGNATURE)
    while position + 12 <= len(fixed):
        (length,) = struct.unpack_from(">I", fixed, position)
        end = position + 12 + length
        if end > len(fixed):
            break
        struct.pack_into(">I", fixed, end - 4, zlib.crc32(memoryview(fixed)[position + 4 : end - 4]))
        position = end
    return bytes(fixed)


def resident_mib(process: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096 / 2**20


def fuzz(inputs: int, seed: int, growth_mib: float, save_to: Path | None) -> int:
    """Run the loop; returns the exit status. A failing input is written to ``save_to``."""
    rng = random.Random(seed)
    seeds = corpus()
    decoder = DecoderProcess(limits_as_arguments(LIMITS, ChildLimits(cpu_seconds_per_picture=2.0)))
    decoder.wait_until_ready()
    outcomes: dict[str, int] = {}
    settled = 0.0
    began = time.monotonic()
    for number in range(inputs):
        data = mutated(rng, seeds)
        try:
            facts = decoder.ask(data, timeout_seconds=60.0).facts
            code = facts.get("code", "pixels")
            failure = None if code == "pixels" or ErrorCode(code).status in ALLOWED_STATUS else f"answered {code}"
        except DecoderDied as died:
            failure = "took more than 2 s of processor time" if died.too_costly else "killed the decoder"
        if failure:
            if save_to:
                save_to.write_bytes(data)
            print(f"input {number} of seed {seed} {failure}", flush=True)
            decoder.close()
            return 1
        outcomes[code] = outcomes.get(code, 0) + 1
        if number == inputs // 10:
            settled = resident_mib(decoder.process_id)
    grown = resident_mib(decoder.process_id) - settled
    decoder.close()
    answers = ", ".join(f"{name} {count}" for name, count in sorted(outcomes.items(), key=lambda item: -item[1]))
    print(f"{inputs} inputs, 0 crashes in {time.monotonic() - began:.0f} s; answers: {answers}")
    print(f"resident memory {settled:.1f} MiB after a tenth, {settled + grown:.1f} MiB at the end")
    return 0 if grown <= growth_mib else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--growth-mib", type=float, default=16.0, help="most growth of the decoder's memory")
    parser.add_argument("--save-to", type=Path, help="file for the input that fails")
    arguments = parser.parse_args()
    return fuzz(arguments.inputs, arguments.seed, arguments.growth_mib, arguments.save_to)


if __name__ == "__main__":
    sys.exit(main())
