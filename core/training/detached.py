"""A training as a process of its own, which goes on when the one that has begun it ends."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from core.child import command
from core.training.distributed import environment


def start_detached(arguments: Sequence[str], directory: Path | None, log: Path) -> subprocess.Popen[bytes]:
    """Start `python -m core` with these arguments in a working directory, this process's own if None.

    What it writes to its error stream is appended to `log`. Raises OSError if it cannot be started.
    """
    detached: dict[str, Any] = (
        {"creationflags": subprocess.DETACHED_PROCESS | subprocess.CREATE_NEW_PROCESS_GROUP}  # type: ignore[attr-defined]
        if sys.platform == "win32"
        else {"start_new_session": True}
    )
    with log.open("ab") as errors:
        return subprocess.Popen(
            command("core", *arguments),
            cwd=directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            env=environment(),
            **detached,
        )
