"""What the tests of this folder start ends with them: others count the decoder processes of this one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.notebook.kept_service import SERVICE


@pytest.fixture(autouse=True, scope="module")
def no_service_is_kept() -> Iterator[None]:
    """Closed in its own thread, where its event loop ran."""
    yield
    SERVICE._running = None
    SERVICE._thread.submit(SERVICE._open.close).result()
