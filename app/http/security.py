"""Who is answered (host, origin, key) and what a browser may do with the answer (ASVS 5.0, chapter 3.4)."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders

from app.errors import ErrorCode, Problem
from app.settings import HOST_NAME

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from app.settings import Settings

_PAGE = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob:",
    "connect-src": "'self'",
    "object-src": "'none'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}
_TRUSTED_TYPES = "; require-trusted-types-for 'script'; trusted-types 'none'"


def _policy(**changes: str) -> str:
    directives = _PAGE | {name.replace("_", "-"): sources for name, sources in changes.items()}
    return "; ".join(f"{name} {sources}" for name, sources in directives.items())


PAGE_POLICY = _policy() + _TRUSTED_TYPES
# The result page for browsers without JavaScript holds its pictures itself, because nothing is stored that it could link to.
RESULT_POLICY = _policy(img_src="'self' data:") + _TRUSTED_TYPES
# The explorer holds its first result in the same way, and shows files that it received as pictures.
EXPLORER_POLICY = _policy(img_src="'self' blob: data:") + _TRUSTED_TYPES
# Swagger UI sets style attributes and draws data: icons.
DOCUMENTATION_POLICY = _policy(style_src="'self' 'unsafe-inline'", img_src="'self' data:")
_UNFRAMED = "frame-ancestors 'none'"
DATA_POLICY = f"default-src 'none'; {_UNFRAMED}; sandbox"

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
_HSTS = "max-age=31536000; includeSubDomains"
_HOST = re.compile(rf"(?P<name>{HOST_NAME})(:[0-9]{{1,5}})?")
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
# Probes ask by address and without a key, and learn nothing of value.
_OPEN_PATHS = "/health/"


class Security:
    """Pure ASGI middleware; decides whether a request is answered."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self.settings = settings
        self.hosts = frozenset(name.lower() for name in settings.allowed_hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not scope["path"].startswith(_OPEN_PATHS):
            self._check_host(headers)
            if self.settings.api_key is not None:
                check_key(headers, self.settings.api_key.get_secret_value())
        if scope["method"] not in _SAFE_METHODS:
            check_origin(headers)
        await self.app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        match = _HOST.fullmatch(headers.get("host", ""))
        if match is None or not ("*" in self.hosts or match["name"].lower() in self.hosts):
            raise Problem(ErrorCode.INVALID_HOST)


class SecurityHeaders:
    """Pure ASGI middleware around everything that answers; a route may set a header of its own, such as one of the policies above."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app = app
        self._framed = " ".join(settings.frame_ancestors)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                page = headers.get("content-type", "").startswith("text/html")
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", PAGE_POLICY if page else DATA_POLICY)
                if self._framed:
                    policy = headers["Content-Security-Policy"]
                    headers["Content-Security-Policy"] = policy.replace(_UNFRAMED, f"frame-ancestors {self._framed}")
                if scope["scheme"] == "https":
                    headers["Strict-Transport-Security"] = _HSTS
            await send(message)

        await self.app(scope, receive, secured if scope["type"] == "http" else send)


def check_origin(headers: Headers) -> None:
    """Refuse a form that a browser sends from a page that is not ours; other clients send neither header.

    Raises:
        Problem: ``cross_site``.
    """
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        raise Problem(ErrorCode.CROSS_SITE)
    origin = headers.get("origin")
    if origin is None:
        return
    try:
        ours = urlsplit(origin).netloc.lower() == headers.get("host", "").lower()
    except ValueError:
        ours = False
    if not ours:
        raise Problem(ErrorCode.CROSS_SITE)


def check_key(headers: Headers, key: str) -> None:
    """Ask for the key: ``Authorization: Bearer <key>``, or as the password of Basic, so that a browser can ask for it too.

    Raises:
        Problem: ``unauthorized``.
    """
    kind, _, value = headers.get("authorization", "").partition(" ")
    given = value.strip().encode()
    if kind.lower() == "basic":
        try:
            given = base64.b64decode(given, validate=True).partition(b":")[2]
        except binascii.Error:
            given = b""
    elif kind.lower() != "bearer":
        given = b""
    if not hmac.compare_digest(given, key.encode()):
        raise Problem(ErrorCode.UNAUTHORIZED)
