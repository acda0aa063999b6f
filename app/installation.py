"""How this copy was installed: where the folders that ship beside the code are, and what adds the packages that serving does without."""

from __future__ import annotations

from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_WHEEL_FOLDERS = _PACKAGE / "shipped"  # where pyproject.toml has a wheel put them; a checkout has them at its top
_FROM_WHEEL = _WHEEL_FOLDERS.is_dir()

# packages that serving does without, by the name they are imported under, and the extra that installs them
_PACKAGES = {
    "torch": ("torch", "torchvision", "pytorch_grad_cam", "scipy", "sklearn"),
    "train": ("kornia", "lightning_fabric", "onnx", "onnxscript", "rich"),
    "audit": ("fsspec", "pyarrow"),
    "ray": ("ray",),
    "timm": ("timm",),
}
_EXTRAS = {package: extra for extra, packages in _PACKAGES.items() for package in packages}


def shipped_folder(name: str) -> Path:
    """The folder ``checkpoints``, ``static`` or ``templates``, whichever way this copy was installed."""
    return (_WHEEL_FOLDERS if _FROM_WHEEL else _PACKAGE.parent) / name


def is_installed(extra: str) -> bool:
    """Whether all packages of an extra can be imported; none is."""
    return all(find_spec(package) is not None for package in _PACKAGES[extra])


def extra_command(extra: str) -> str:
    """What installs an extra; a wheel is named as a file, since by name an index may give a stranger's."""
    return f"pip install 'unturned-{version('unturned')}-py3-none-any.whl[{extra}]'" if _FROM_WHEEL else f"pip install -e '.[{extra}]'"


def install_command(error: ModuleNotFoundError) -> str | None:
    """What installs a package that is missing; None where it is no optional one."""
    package = (error.name or "").partition(".")[0]
    return extra_command(_EXTRAS[package]) if package in _EXTRAS else None
