"""ICC profiles made here, and what their colours are in sRGB, computed without a colour management system."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

Chromaticities = tuple[tuple[float, float], tuple[float, float], tuple[float, float]]

SRGB: Chromaticities = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
D65 = (0.3127, 0.3290)
D50_XYZ = np.array([0.9642, 1.0, 0.8249])
BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def rgb_to_xyz(primaries: Chromaticities) -> NDArray[np.float64]:
    """Matrix from linear RGB with a D65 white to XYZ adapted to D50 (Bradford), as profiles store it."""
    columns = np.array([[x / y, 1.0, (1 - x - y) / y] for x, y in primaries]).T
    white = np.array([D65[0] / D65[1], 1.0, (1 - sum(D65)) / D65[1]])
    native = columns * np.linalg.solve(columns, white)
    scale = np.diag((BRADFORD @ D50_XYZ) / (BRADFORD @ white))
    return np.asarray(np.linalg.inv(BRADFORD) @ scale @ BRADFORD @ native)


def matrix_profile(primaries: Chromaticities, gamma: float = 2.2) -> bytes:
    """A display profile of three primaries and one gamma."""
    matrix = rgb_to_xyz(primaries)
    tags = {
        b"rXYZ": _xyz(matrix[:, 0]),
        b"gXYZ": _xyz(matrix[:, 1]),
        b"bXYZ": _xyz(matrix[:, 2]),
        **{name: b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) for name in (b"rTRC", b"gTRC", b"bTRC")},
    }
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def grey_ink_profile(lightness: int) -> bytes:
    """A printer's profile of four inks, each of which alone leaves grey of that L* (0..100) on white paper, and any two of them black."""
    printed = [{0: 100, 1: lightness}.get(inks.bit_count(), 0) for inks in range(16)]
    table = b"".join(bytes([round(value * 2.55), 128, 128]) for value in printed)
    same = bytes(range(256))
    identity = struct.pack(">9i", *np.eye(3, dtype=int).ravel() * 65536)
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + 4 * same + table + 3 * same
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": lut})


def _profile(kind: bytes, space: bytes, connection: bytes, own_tags: dict[bytes, bytes]) -> bytes:
    """A version 2 profile."""
    description = b"made for a test\x00"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(description)) + description + bytes(78),
        b"cprt": b"text" + bytes(4) + b"public domain\x00",
        b"wtpt": _xyz(D50_XYZ),
        **own_tags,
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        padded = content + bytes(-len(content) % 4)
        table += name + struct.pack(">II", start + len(body), len(content))
        body += padded
    header = struct.pack(">I4s4s4s4s4s12s4s", start + len(body), b"", b"\x02\x40\x00\x00", kind, space, connection, bytes(12), b"acsp")
    header += bytes(68 - len(header)) + struct.pack(">III", *(round(value * 65536) for value in D50_XYZ))
    return header + bytes(128 - len(header)) + table + body


def in_srgb(colour: tuple[int, int, int], primaries: Chromaticities, gamma: float = 2.2) -> NDArray[np.float64]:
    """A colour of such a profile in 8-bit sRGB (IEC 61966-2-1), clipped to its gamut."""
    linear = (np.array(colour) / 255) ** gamma
    mixed = np.clip(np.linalg.solve(rgb_to_xyz(SRGB), rgb_to_xyz(primaries) @ linear), 0, 1)
    return np.asarray(255 * np.where(mixed <= 0.0031308, 12.92 * mixed, 1.055 * mixed ** (1 / 2.4) - 0.055))


def _xyz(values: NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">iii", *(round(float(value) * 65536) for value in values))
