"""The process that opens pickles: reads one from its standard input, writes its tensors as safetensors to its standard output.

It can do little else: :mod:`model.importing.restricted`. Only tensors and plain values are unpickled (``weights_only``). The answer is the
length of a JSON object, the object (``{}`` or ``{"code", "detail"}`` of a refusal), and the safetensors bytes.
"""

from __future__ import annotations

import io
import json
import struct
import sys

HEAD = struct.Struct("<Q")
SPARE_BYTES = 1 << 30
CPU_SECONDS = 300


def main() -> None:
    """Open the one pickle."""
    from model.importing import unpickling
    from model.importing.restricted import forbid_changes, forbid_opening

    unpickling.warm_up()
    forbid_changes()
    data = sys.stdin.buffer.read()
    forbid_opening(SPARE_BYTES + 6 * len(data), CPU_SECONDS)
    answer, tensors = unpickling.tensors_of(io.BytesIO(data))
    body = json.dumps(answer).encode()
    sys.stdout.buffer.write(HEAD.pack(len(body)) + body + tensors)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
