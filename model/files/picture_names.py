"""Which files are pictures, by their names alone."""

from __future__ import annotations

# also kinds that are refused, so that they are listed instead of passed over
SUFFIXES = frozenset(["avif", "bmp", "gif", "heic", "heif", "jfif", "jpeg", "jpg", "mpo", "png", "tif", "tiff", "webp"])


def is_picture_name(name: str) -> bool:
    """Whether a file's name, without its folder, is that of a picture that is not hidden."""
    return not name.startswith(".") and name.rpartition(".")[2].lower() in SUFFIXES


def is_picture_path(path: str) -> bool:
    """Whether a path, its folders parted by ``/``, is that of a picture that is not hidden, nor in a hidden folder."""
    *folders, name = path.split("/")
    return is_picture_name(name) and not any(folder.startswith(".") and folder not in (".", "..") for folder in folders)
