"""The decoder's processes: they answer like the decoder itself, and none that crashes, hangs or costs too much harms the next picture."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from app.decoding import decoder as decoding
from app.decoding.child import REPLY
from app.decoding.decoder import DecodeLimits, Decoder, DecoderStartError, decode_image
from app.decoding.process import DecoderProcess
from app.errors import Problem
from app.settings import Settings
from tests import pictures
from tests.live_server import stand_still, wait_for_bytes
from tests.pictures import UPLOADS, encoded, portrait

LIMITS = DecodeLimits()
ROOT = Path(__file__).parents[2]
Result = TypeVar("Result")


def with_decoder(use: Callable[[Decoder], Awaitable[Result]], **options: Any) -> Result:
    """What ``use`` gives for a running decoder of one process."""

    async def run() -> Result:
        decoder = Decoder(options.pop("limits", LIMITS), processes=1, **options)
        await decoder.start()
        try:
            return await use(decoder)
        finally:
            await decoder.stop()

    return asyncio.run(run())


def children() -> set[int]:
    """Process numbers of this process's decoders."""
    listed = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True, check=False).stdout
    return {int(line.split()[0]) for line in listed.splitlines() if "app.decoding.child" in line}


def has_ended(process: int) -> bool:
    """Whether a process has gone, or is only waited for."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def code_of(decoder: Decoder, data: bytes) -> str | None:
    try:
        await decoder.decode(data)
    except Problem as problem:
        return problem.code
    return None


def test_processes_answer_every_upload_like_the_decoder_itself() -> None:
    async def use(decoder: Decoder) -> None:
        for upload in UPLOADS:
            data = upload.build()
            if upload.code is not None:
                assert await code_of(decoder, data) == upload.code, upload.name
                continue
            there, here = await decoder.decode(data), decode_image(data, LIMITS)
            assert np.array_equal(there.pixels, here.pixels), upload.name
            assert (there.width, there.height, there.warnings) == (here.width, here.height, upload.warnings), upload.name

    with_decoder(use, timeout_seconds=20.0)


def test_a_picture_that_costs_too_much_is_refused_and_the_next_one_read() -> None:
    restarts: list[int] = []

    async def use(decoder: Decoder) -> None:
        expensive = encoded(portrait().resize((4500, 4500)), "PNG", compress_level=1)
        assert await code_of(decoder, expensive) == "image_too_complex"
        assert (await decoder.decode(encoded(portrait().resize((40, 40)), "PNG"))).pixels.shape == (40, 40, 3)

    with_decoder(use, timeout_seconds=0.05, on_restart=lambda: restarts.append(1))
    assert restarts == [1]


@pytest.mark.parametrize("fatal", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT])
def test_a_crash_harms_one_picture(fatal: signal.Signals) -> None:
    async def use(decoder: Decoder) -> None:
        picture = encoded(portrait(), "PNG")
        (before,) = children()
        stand_still(before)  # so that the picture waits in the process that then dies
        waiting = asyncio.create_task(code_of(decoder, picture))
        await asyncio.to_thread(wait_for_bytes, before)
        os.kill(before, fatal)
        with contextlib.suppress(ProcessLookupError):  # one that SIGKILL ended while stopped may be gone
            os.kill(before, signal.SIGCONT)
        assert await waiting == "decoder_failed"
        assert len(children() - {before}) == 1  # at once, not with the next picture
        assert np.array_equal((await decoder.decode(picture)).pixels, np.asarray(portrait()))

    with_decoder(use)


def test_no_answer_is_left_for_the_next_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails here while a process answers, that process answers nobody else."""
    ask = DecoderProcess.ask

    def failing(process: DecoderProcess, data: bytes, timeout_seconds: float) -> object:
        monkeypatch.setattr(DecoderProcess, "ask", ask)
        monkeypatch.setattr(process, "_reply", failed_reply)
        return ask(process, data, timeout_seconds)

    def failed_reply(deadline: float) -> object:
        raise MemoryError

    async def use(decoder: Decoder) -> None:
        monkeypatch.setattr(DecoderProcess, "ask", failing)
        with pytest.raises(MemoryError):
            await decoder.decode(encoded(portrait().resize((40, 40)), "PNG"))
        monkeypatch.undo()
        assert (await decoder.decode(encoded(portrait().resize((60, 60)), "PNG"))).width == 60

    with_decoder(use)


def test_a_process_killed_while_idle_is_replaced_unnoticed() -> None:
    restarts: list[int] = []

    async def use(decoder: Decoder) -> None:
        (before,) = children()
        os.kill(before, signal.SIGKILL)
        while not has_ended(before):
            time.sleep(0.01)  # noqa: ASYNC251 - nothing else runs
        assert await code_of(decoder, encoded(portrait(), "PNG")) is None

    with_decoder(use, on_restart=lambda: restarts.append(1))
    assert restarts == [1]  # but counted


@pytest.mark.parametrize("padding_bytes", [0, 1 << 20])
def test_a_hanging_process_is_killed(monkeypatch: pytest.MonkeyPatch, padding_bytes: int) -> None:
    """Also where the picture is more than the pipe to the process takes."""
    monkeypatch.setattr(decoding, "SLOWDOWN", 1.0)
    monkeypatch.setattr(decoding, "HANG_SECONDS", 0.3)

    async def use(decoder: Decoder) -> None:
        (before,) = children()
        stand_still(before)
        assert await code_of(decoder, encoded(portrait(), "JPEG") + bytes(padding_bytes)) == "decoder_failed"
        assert before not in children()

    with_decoder(use, timeout_seconds=0.3)


@pytest.mark.parametrize(
    ("facts_bytes", "columns", "rows", "code"),
    [
        (1 << 16, 3072, 1, None),
        ((1 << 16) + 1, 1, 1, "decoder_failed"),
        (100, 3073, 1, "decoder_failed"),
        (100, 1, 3073, "decoder_failed"),
    ],
)
def test_a_process_that_claims_more_than_any_picture_has_is_replaced(
    facts_bytes: int, columns: int, rows: int, code: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one would that a picture has taken over: this one answers so whatever it is asked."""
    facts = b'{"width": 9, "height": 9, "warnings": []}'.ljust(facts_bytes)
    answer = REPLY.pack(len(facts), columns, rows) + facts + bytes(3 * columns * rows)
    (tmp_path / "answer").write_bytes(REPLY.pack(2, 0, 0) + b"{}" + answer)
    taken_over = tmp_path / "taken_over"
    taken_over.write_text(f"#!/bin/sh\ncat {tmp_path}/answer\nexec cat >/dev/null\n")
    taken_over.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(taken_over))
    restarts: list[int] = []
    assert with_decoder(lambda decoder: code_of(decoder, b"a picture"), on_restart=lambda: restarts.append(1)) == code
    assert len(restarts) == (code is not None)


def test_the_largest_side_that_a_picture_is_read_with_comes_back() -> None:
    """A JPEG just too small to be read at a quarter of its size is read at half of it, rounded up."""
    data = encoded(portrait().resize((6143, 320)), "JPEG")
    assert with_decoder(lambda decoder: decoder.decode(data), timeout_seconds=20.0).pixels.shape == (160, 3072, 3)


def test_memory_is_limited() -> None:
    async def use(decoder: Decoder) -> None:
        assert await code_of(decoder, pictures.flat_png(3000)) == "image_too_complex"
        assert await code_of(decoder, encoded(portrait(), "PNG")) is None

    with_decoder(use, memory_bytes=64 << 20)


def test_other_pictures_are_decoded_while_one_takes_long() -> None:
    async def run() -> None:
        decoder = Decoder(LIMITS, processes=2)
        await decoder.start()
        try:
            stopped = min(children())
            stand_still(stopped)
            tasks = [asyncio.create_task(decoder.decode(encoded(portrait(), "JPEG"))) for _ in range(6)]
            for finished in itertools.islice(asyncio.as_completed(tasks), 5):
                await finished
            os.kill(stopped, signal.SIGCONT)
            for image in await asyncio.gather(*tasks):
                assert image.pixels.shape == (512, 512, 3)
        finally:
            await decoder.stop()

    asyncio.run(run())


def test_stopping_waits_for_no_picture_that_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "HANG_SECONDS", 1.0)

    async def run() -> list[str | BaseException | None]:
        decoder = Decoder(LIMITS, processes=1, timeout_seconds=0.25)
        await decoder.start()
        (stopped,) = children()
        stand_still(stopped)
        tasks = [asyncio.create_task(code_of(decoder, encoded(portrait(), "JPEG"))) for _ in range(3)]
        await asyncio.to_thread(wait_for_bytes, stopped)
        await decoder.stop()
        assert children() == set()
        return await asyncio.gather(*tasks, return_exceptions=True)

    first, *others = asyncio.run(run())
    assert first == "decoder_failed"
    assert [type(other) for other in others] == [asyncio.CancelledError] * 2


def test_stopping_leaves_no_process_and_refuses_further_pictures() -> None:
    async def run() -> None:
        decoder = Decoder(LIMITS, processes=2)
        await decoder.start()
        assert len(children()) == 2
        await decoder.stop()
        await decoder.stop()
        assert children() == set()
        with pytest.raises(Problem, match="shutting_down"):
            await decoder.decode(b"")

    asyncio.run(run())


def test_a_decoder_that_cannot_start_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DecoderStartError, match="does not start"):
        asyncio.run(Decoder(LIMITS, processes=2).start())


def test_decoder_processes_end_with_the_service() -> None:
    program = """
import asyncio, os
from app.decoding.decoder import Decoder, DecodeLimits
from tests.decoding.test_decoder import children

async def run():
    await Decoder(DecodeLimits(), processes=1).start()
    print(*children(), flush=True)
    os.kill(os.getpid(), 9)

asyncio.run(run())
"""
    dead = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    assert dead.returncode == -signal.SIGKILL
    orphan = int(dead.stdout)
    deadline = time.monotonic() + 20
    while not has_ended(orphan):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_decoder_processes_load_neither_torch_nor_the_web_framework_nor_numpy() -> None:
    program = "import sys, app.decoding.child; print([name for name in ('torch', 'numpy', 'fastapi', 'cv2') if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    assert loaded.stdout.strip() == "[]"


def test_settings_reach_the_decoder() -> None:
    settings = Settings(max_pixels=2000, decoder_processes=1)

    async def run() -> str | None:
        decoder = Decoder.from_settings(settings)
        await decoder.start()
        try:
            return await code_of(decoder, encoded(portrait().resize((50, 50)), "PNG"))
        finally:
            await decoder.stop()

    assert asyncio.run(run()) == "too_many_pixels"


def test_decoders_give_way_to_the_event_loop() -> None:
    async def use(decoder: Decoder) -> list[int]:
        return [os.getpriority(os.PRIO_PROCESS, child) for child in children()]

    here = os.getpriority(os.PRIO_PROCESS, 0)
    niceness = with_decoder(use)
    assert niceness
    assert min(niceness) > here


def test_a_system_without_larger_pipes_decodes_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Linux alone has the call."""
    monkeypatch.delattr(fcntl, "F_SETPIPE_SZ")
    picture = portrait()
    decoded = with_decoder(lambda decoder: decoder.decode(encoded(picture, "PNG")))
    assert np.array_equal(decoded.pixels, np.asarray(picture.convert("RGB")))
