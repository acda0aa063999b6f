"""Settings from the environment: a bad one is refused with one line that names it and never shows its value."""

from __future__ import annotations

import os
import re
from ipaddress import ip_network
from pathlib import Path

import pytest

from app.settings import Settings, SettingsError, load_settings
from tests.live_server import ROOT


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.upper().startswith("UNTURNED_")]:
        monkeypatch.delenv(name)


def test_lists_and_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTURNED_EXTRA_CHECKPOINTS", "a.safetensors, b.safetensors")
    monkeypatch.setenv("UNTURNED_ALLOWED_HOSTS", "example.org")
    monkeypatch.setenv("UNTURNED_TRUSTED_PROXIES", "10.0.0.0/8,::1")
    monkeypatch.setenv("UNTURNED_DATASETS", "")
    settings = load_settings()
    assert settings.extra_checkpoints == (Path("a.safetensors"), Path("b.safetensors"))
    assert settings.allowed_hosts == ("example.org",)
    assert settings.trusted_proxies == (ip_network("10.0.0.0/8"), ip_network("::1"))
    assert settings.datasets is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("HOST", ""), ("PORT", "65536"), ("PORT", "x"), ("BODY_LIMIT_BYTES", "0"), ("COMPUTE_SLOTS", "0"), ("HEAD_TIMEOUT_SECONDS", "0")),
        *(("API_KEY", "short-secret"), ("TRUSTED_PROXIES", "nonsense"), ("ALLOWED_HOSTS", ""), ("MAX_FACES", "9"), ("METRICS", "perhaps")),
        *(("API_KEY", "with-secret-umläut"), ("API_KEY", "with secret spaces")),
        *(("MAX_PIXELS", "200000000"), ("MAX_BASELINE_JPEG_PIXELS", "200000000")),
        *(("ALLOWED_HOSTS", "example.org,example.org:8000"), ("ALLOWED_HOSTS", "*.example.org"), ("ALLOWED_HOSTS", "::1")),
        *(("DECODE_TIMEOUT_SECONDS", "inf"), ("WORK_TIMEOUT_SECONDS", "nan"), ("RATE_LIMIT_PER_SECOND", "inf")),
        *(("DATASETS", "no-such-folder"), ("FRAME_ANCESTORS", "huggingface.co"), ("FRAME_ANCESTORS", "https://a.example; script-src *")),
    ],
)
def test_unusable_values(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"UNTURNED_{name}", value)
    with pytest.raises(SettingsError, match=rf"^UNTURNED_{name}: .+$") as caught:
        load_settings()
    assert "secret" not in str(caught.value)


def test_the_reason_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UNTURNED_ALLOWED_HOSTS", "example.org:8000")
    with pytest.raises(SettingsError, match=r"^UNTURNED_ALLOWED_HOSTS: write a host name as the header Host has it, without its port"):
        load_settings()


@pytest.mark.parametrize("name", ["UNTURNED_BODY_LIMT_BYTES", "unturned_prot", "UNTURNED_"])
def test_unknown_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    with pytest.raises(SettingsError, match=f"^{name}: unknown setting$"):
        load_settings()


def as_written(default: object) -> str:
    """A default as the environment would have it."""
    if isinstance(default, bool | int | float):
        return f"{float(default):.10g}"
    if isinstance(default, Path):
        return str(default.relative_to(ROOT))
    return ",".join(default) if isinstance(default, tuple) else str(default or "")


def test_documentation_has_every_setting_with_its_default_and_meaning() -> None:
    table = (ROOT / "docs" / "service.md").read_text().partition("## Settings")[2].partition("\n## ")[0]
    documented = re.findall(r"^\| `UNTURNED_([A-Z_]+)` \| `?([^|`]*?)`? \| (.+) \|$", table, re.MULTILINE)
    fields = Settings.model_fields.items()
    assert documented == [(name.upper(), as_written(field.default), field.description) for name, field in fields]


def test_the_key_is_not_shown() -> None:
    assert "0123456789abcdef" not in repr(Settings(api_key="0123456789abcdef"))  # type: ignore[arg-type]
