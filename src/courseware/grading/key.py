"""The instructor's key: from it and a submission come the numbers that the submission is tried on.

Who has it could foresee them; without it nobody can. The same key gives the same grades again.
"""

import contextlib
import os
import secrets
from pathlib import Path

from courseware.notebooks import CourseError

VARIABLE = "CONVBOOK_GRADING_KEY"
BYTES = 32
SHORTEST = 16  # characters of a key one has chosen


class KeyFileError(CourseError):
    """A key that cannot be used."""


def load_key() -> bytes:
    """Return the key: `$CONVBOOK_GRADING_KEY`, or the one in `key_file()`, made on first use.

    Raises:
        KeyFileError: if it is too short to be a secret, or its file cannot be read or made.
    """
    given = os.environ.get(VARIABLE, "").strip()
    where = f"${VARIABLE}"
    if not given:
        path = key_file()
        where = str(path)
        try:
            _make(path)
            given = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise KeyFileError(f"cannot read the key in {path}: {error}; or set ${VARIABLE}") from None
    if len(given) < SHORTEST:
        raise KeyFileError(f"the key in {where} is no secret: take {SHORTEST} characters or more, at random")
    return given.encode()


def key_file() -> Path:
    """Return where the key is kept: `convbook/grading.key` in the user's folder of settings."""
    home = os.environ.get("XDG_CONFIG_HOME", "")
    folder = Path(home) if Path(home).is_absolute() else Path.home() / ".config"
    return folder / "convbook" / "grading.key"


def _make(path: Path) -> None:
    """Make the key unless it is there; of two graders that start at once, one makes it."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    own = path.with_name(f".{path.name}-{os.getpid()}")
    descriptor = os.open(own, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(secrets.token_hex(BYTES) + "\n")
        with contextlib.suppress(FileExistsError):
            os.link(own, path)  # whole or not at all, and never over another
    finally:
        own.unlink()
