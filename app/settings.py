"""The service's settings: environment variables ``UNTURNED_<NAME>``, each with its unit in its name.

An unknown ``UNTURNED_*`` variable is refused, so that a misspelt limit cannot silently stay at its default.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from app.choices import MAX_FACES
from app.installation import extra_command, shipped_folder
from model.errors import InputError

PREFIX = "UNTURNED_"

HOST_NAME = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])"  # of the header Host, without its port
MOST_PIXELS = 178_956_970  # Pillow opens nothing larger


class SettingsError(InputError):
    """A setting is unknown or out of range; the message is one line that names it and never holds its value."""


def _split(value: object) -> object:
    """``"a, b"`` as ``("a", "b")``; anything but a string unchanged."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


def _is_folder(folder: Path | None) -> Path | None:
    if folder is not None and not folder.is_dir():
        raise ValueError("there is no such folder: unturned import makes one")
    return folder


def _holds_ferplus(folder: Path | None) -> Path | None:
    if folder is not None and not (folder / "ferplus.zip").is_file():
        raise ValueError("the folder does not exist or holds no ferplus.zip")
    return folder


def _holds_findings(folder: Path | None) -> Path | None:
    if folder is not None and not (folder / "issues.parquet").is_file():
        raise ValueError("the folder holds no issues.parquet: unturned audit --report FOLDER writes it")
    if folder is not None and find_spec("pyarrow") is None:
        raise ValueError(f"reading an audit needs the extra `audit`: {extra_command('audit')}")
    return folder


def _usable_key(key: SecretStr | None) -> SecretStr | None:
    if key is not None and re.fullmatch(r"[!-~]{16,}", key.get_secret_value()) is None:
        raise ValueError("an API key needs at least 16 characters of ASCII, without spaces")
    return key


def _host_name(name: str) -> str:
    if re.fullmatch(rf"\*|{HOST_NAME}", name) is None:
        raise ValueError("write a host name as the header Host has it, without its port, or `*` alone for any")
    return name


def listening_address(address: str) -> str:
    """The address unchanged.

    Raises:
        ValueError: it is empty, which a socket takes for every address of the machine.
    """
    if not address:
        raise ValueError("an empty address would be every one of this machine: name it, or 0.0.0.0")
    return address


Address = Annotated[str, AfterValidator(listening_address)]
Hosts = Annotated[tuple[Annotated[str, AfterValidator(_host_name)], ...], NoDecode, BeforeValidator(_split)]
Paths = Annotated[tuple[Path, ...], NoDecode, BeforeValidator(_split)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)]
OptionalPath = Annotated[Path | None, BeforeValidator(_blank_is_none)]
ModelFolder = Annotated[Path | None, BeforeValidator(_blank_is_none), AfterValidator(_is_folder)]
DatasetFolder = Annotated[Path | None, BeforeValidator(_blank_is_none), AfterValidator(_holds_ferplus)]
AuditFolder = Annotated[Path | None, BeforeValidator(_blank_is_none), AfterValidator(_holds_findings)]
Origins = Annotated[
    tuple[Annotated[str, Field(pattern=r"^https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?$")], ...], NoDecode, BeforeValidator(_split)
]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ApiKey = Annotated[SecretStr | None, BeforeValidator(_blank_is_none), AfterValidator(_usable_key)]


class Settings(BaseSettings):
    """Everything an operator can choose. Lists are comma-separated in the environment."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True, hide_input_in_errors=True)

    host: Address = Field(default="127.0.0.1", description="Address to listen on; `::` is every one of IPv6 alone.")
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")

    checkpoint_dir: Path = Field(
        default=shipped_folder("checkpoints"),
        description="Folder with `manifest.json` and the checkpoints it lists, `baseline` among them.",
    )
    extra_checkpoints: Paths = Field(default=(), description="More checkpoint files, loaded without a recorded hash.")
    models: ModelFolder = Field(default=None, description="Folder of the models that `unturned import` wrote, all of which are served.")
    yunet_path: OptionalPath = Field(
        default=None,
        description="YuNet face detector (ONNX) to use instead of MTCNN; "
        "faces are then framed differently than in training, and answers warn of it.",
    )
    smallest_face: float = Field(
        default=0.03125,
        ge=0.01,
        le=0.5,
        description="Smallest face that MTCNN looks for, as a part of the picture's long side; twice as large takes less time.",
    )
    datasets: DatasetFolder = Field(default=None, description="Folder that holds `ferplus.zip`; turns on the dataset browser.")
    audit: AuditFolder = Field(default=None, description="Folder that `unturned audit` wrote; turns on the page of its findings.")

    allowed_hosts: Hosts = Field(
        default=("localhost", "127.0.0.1", "[::1]"), min_length=1, description="Host names answered, without ports; `*` for any."
    )
    frame_ancestors: Origins = Field(default=(), description="Origins whose pages may show these in a frame; empty for none.")
    trusted_proxies: Networks = Field(default=(), description="Networks of proxies whose `X-Forwarded-For` and `-Proto` count.")
    api_key: ApiKey = Field(default=None, description="Key that the API asks for as `Authorization: Bearer`; empty for none.")
    rate_limit_per_second: float = Field(
        default=0.0, ge=0, allow_inf_nan=False, description="Uploads and computed pages a client gets on average; 0 for no limit."
    )
    rate_limit_burst: int = Field(default=20, ge=1, description="As many may come at once before the average counts.")
    metrics: bool = Field(default=True, description="Serve Prometheus metrics at `/metrics`.")

    body_limit_bytes: int = Field(default=10 << 20, ge=1 << 10, le=64 << 20, description="Largest body of an upload.")
    small_body_limit_bytes: int = Field(default=16 << 10, ge=0, description="Largest body of any other request.")
    head_limit_bytes: int = Field(default=32 << 10, ge=1 << 10, description="Largest request line and headers together.")
    uri_limit_bytes: int = Field(default=8 << 10, ge=256, description="Longest request target.")
    max_headers: int = Field(default=100, ge=10, description="Most headers in a request.")
    max_connections: int = Field(default=512, ge=8, description="Open connections; beyond it the longest idle one is closed.")

    max_pixels: int = Field(default=25_000_000, ge=1 << 10, le=MOST_PIXELS, description="Most pixels of a picture.")
    max_baseline_jpeg_pixels: int = Field(
        default=50_000_000, ge=1 << 10, le=MOST_PIXELS, description="Most pixels of a baseline JPEG, which decodes at reduced size."
    )
    max_faces: int = Field(default=MAX_FACES, ge=1, le=MAX_FACES, description="Most faces explained in one picture.")

    compute_slots: int = Field(default=2, ge=1, le=64, description="Requests computed at the same time.")
    compute_threads: int = Field(default=1, ge=1, le=64, description="Threads of one forward pass.")
    decoder_processes: int = Field(default=2, ge=1, le=64, description="Processes that decode pictures.")
    queue_length: int = Field(default=16, ge=0, le=1024, description="Requests that may wait for a slot.")

    head_timeout_seconds: Seconds = Field(default=5.0, description="Until a request's headers must be complete.")
    body_timeout_seconds: Seconds = Field(default=15.0, description="Until a request's body must be complete, from its headers on.")
    decode_timeout_seconds: Seconds = Field(default=2.0, description="Longest decoding of one picture.")
    work_timeout_seconds: Seconds = Field(
        default=10.0,
        description="Longest wait for the models' answer; all work on a request, whatever it waits for, may take three times as long.",
    )
    write_timeout_seconds: Seconds = Field(
        default=15.0,
        description="Longest time a client may leave an answer unread; one that reads 16 KiB a second or more has as long as it takes.",
    )
    keep_alive_seconds: int = Field(default=5, ge=1, description="Longest pause between two requests of a connection.")
    shutdown_timeout_seconds: int = Field(default=9, ge=1, description="Longest wait for running requests at shutdown.")


def load_settings() -> Settings:
    """Settings from the environment.

    Raises:
        SettingsError: an unknown or unusable ``UNTURNED_*`` variable.
    """
    known = {f"{PREFIX}{name}".upper() for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.upper().startswith(PREFIX) and name.upper() not in known:
            raise SettingsError(f"{name}: unknown setting")
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        reason = first["msg"].removeprefix("Value error, ")
        raise SettingsError(f"{PREFIX}{str(first['loc'][0]).upper()}: {reason}") from None
