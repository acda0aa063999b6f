"""The real service around a stand-in for the models, run as a process by the tests of wire and faults.

``POST /api/v1/explanations?sleep=S`` decodes the picture and occupies a compute slot for S seconds; ``sleep=-1`` fails unforeseen.
``POST /api/v1/figures?sleep=S`` occupies the drawer, ``GET /samples/{sample}?sleep=S`` a slot, too.
Files that the serving process opens for writing are noted. Argument: seconds that loading takes.
"""

from __future__ import annotations

import gc
import os
import sys
import time
from collections.abc import Iterable
from types import ModuleType, SimpleNamespace
from typing import Any

from fastapi import APIRouter, Request

from app.explaining.service import service_of
from app.http.uploads import read_upload

written_files: list[str] = []
computed: list[float] = []
blocked_threads: list[int] = []

router = APIRouter(prefix="/api/v1")
pages = APIRouter()


@router.post("/explanations")
async def explain(request: Request, sleep: float = 0, faces: int = 1, padding_bytes: int = 0) -> dict[str, object]:
    data = await read_upload(request)
    pipeline = service_of(request).loaded_pipeline()
    image = await pipeline.decoder.decode(data)

    def compute() -> None:
        computed.append(sleep)
        if sleep < 0:
            raise RuntimeError(f"secret {data[:9]!r}")
        time.sleep(sleep)

    await pipeline.executor.run(compute)
    return {"bytes": len(data), "width": image.width, "faces": faces, "padding": "x" * padding_bytes}


@router.post("/figures")
async def figure(request: Request, sleep: float = 0) -> dict[str, object]:
    await read_upload(request)

    def draw() -> bytes:
        computed.append(sleep)
        time.sleep(sleep)
        return b""

    return {"bytes": len(await service_of(request).drawer.draw(draw))}


@pages.get("/samples/{sample}")
async def explain_sample(request: Request, sample: str, sleep: float = 0) -> dict[str, object]:
    await service_of(request).executor.run(lambda: time.sleep(sleep))
    return {"sample": sample}


@router.get("/blocked")
def blocked() -> None:
    """Takes a thread of the framework's pool."""
    blocked_threads.append(1)
    time.sleep(3600)


@router.get("/counts")
async def counts() -> dict[str, object]:
    return {
        "computed": len(computed),
        "written_files": written_files,
        "blocked": len(blocked_threads),
        "spared_objects": gc.get_freeze_count(),
        "switch_seconds": sys.getswitchinterval(),
    }


class _Pipeline:
    def __init__(self, decoder: object, detector: object, explainer: object, executor: object, _threads: int) -> None:
        self.decoder, self.detector, self.explainer, self.executor = decoder, detector, explainer, executor


def _stand_in(name: str, **contents: object) -> None:
    module = ModuleType(name)
    vars(module).update(contents)
    sys.modules[name] = module
    setattr(sys.modules["app"], name.rpartition(".")[2], module)


def _load_explainer(settings: object) -> object:
    time.sleep(float(sys.argv[1]) if len(sys.argv) > 1 else 0)
    return SimpleNamespace(checkpoints={"baseline": SimpleNamespace(sha256="0" * 64)})


def _watch_writes(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written_files.append(str(arguments[0]))


def _nothing_late(names: Iterable[str]) -> None:
    pass


if __name__ == "__main__":
    vars(sys.modules["app.explaining.service"]).update(load_served_explainer=_load_explainer, load_detector=lambda settings: object())
    _stand_in("app.api.routes", router=router)
    _stand_in("app.explaining.pipeline", Pipeline=_Pipeline)
    _stand_in("app.pages.router", router=pages)
    from app import main as application
    from app.cli import main

    application.import_modules = _nothing_late
    sys.addaudithook(_watch_writes)
    sys.exit(main(["serve"]))
