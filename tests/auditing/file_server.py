"""A folder behind a real HTTP server on loopback that answers requests for parts of files, and that can be made to fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from aiohttp import web


class FileServer:
    """``address`` of the folder; ``asked`` has each request's credentials and query; while it is ``failing`` every answer is status 503."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.address = ""
        self.asked: set[tuple[str | None, str]] = set()
        self.failing = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """A file, or a page that links to what is in a folder, as Apache and nginx write it."""
        self.asked.add((request.headers.get("Authorization"), request.query_string))
        if self.failing:
            raise web.HTTPServiceUnavailable
        path = self._folder / request.match_info["path"]
        if path.is_file():
            return web.FileResponse(path)
        if not path.is_dir():
            raise web.HTTPNotFound
        names = [f"{entry.name}/" if entry.is_dir() else entry.name for entry in path.iterdir()]
        return web.Response(text="\n".join(f'<a href="{quote(name)}">{name}</a>' for name in ["../", *names]), content_type="text/html")


@contextmanager
def serving(folder: Path) -> Iterator[FileServer]:
    """Serve a folder from a thread."""
    server, loop, ready = FileServer(folder), asyncio.new_event_loop(), threading.Event()

    async def start() -> web.AppRunner:
        app = web.Application()
        app.router.add_get("/{path:.*}", server.answer)
        runner = web.AppRunner(app, shutdown_timeout=1.0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server.address = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    def run() -> None:
        runner = loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    ready.wait()
    try:
        yield server
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
