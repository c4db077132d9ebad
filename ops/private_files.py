"""Folders and files that are open to their owner alone."""

import os
from collections.abc import Callable
from pathlib import Path

from ops.errors import CannotRun


def make_folder(folder: Path) -> None:
    """Make the folder, mode 0700; CannotRun when it cannot be made or is another user's."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if (owner := folder.stat().st_uid) != os.geteuid():
            raise CannotRun(
                f"The folder {folder} belongs to another user (uid {owner}):"
                " choose another with --data."
            )
        folder.chmod(0o700)
    except OSError as error:
        raise CannotRun(
            f"The folder {folder} cannot be written ({error.strerror}): make it writable, or"
            " choose another with --data."
        ) from error


def write(path: Path, text: str) -> None:
    """Write a file, mode 0600, so that a reader sees all of the old text or all of the new."""
    half = path.with_name(f"{path.name}.{os.getpid()}.new")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    half.replace(path)


def kept(path: Path, fresh: Callable[[], str]) -> str:
    """The text of a private file, which is made with `fresh()` the first time."""
    if not path.exists():
        write(path, fresh())
    return path.read_text()
