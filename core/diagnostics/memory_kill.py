"""Whether the system has ended a process for want of memory, as far as its own log says so and may be read."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator

KILLED = re.compile(r"[Oo]ut of memory: Killed process (\d+)")  # the kernel's words, for a control group, too
KMSG = "/dev/kmsg"
LOG_BYTES = 8192  # of one record, at most
EARLY = 60.0  # seconds: a status may be written, and clocks may be set, around the time of the end
PATIENCE = 3.0  # seconds for another program to print the log

Line = tuple[float, str]  # seconds since the epoch, what the kernel said then


def killed_for_memory(pid: int, since: float, lines: Iterable[Line] | None = None) -> bool:
    """Does the kernel's log, or do these lines of it, say that it has ended the process, not before `since`?"""
    for when, said in kernel_log(since) if lines is None else lines:
        found = KILLED.search(said)
        if found and int(found[1]) == pid and when >= since - EARLY:
            return True
    return False


def kernel_log(since: float) -> Iterator[Line]:
    """As far as it may be read; nothing elsewhere than on Linux."""
    if sys.platform != "linux":
        return
    try:
        yield from read_kmsg()
    except OSError:  # most people may not, but may ask the journal
        yield from read_journal(since)


def read_kmsg() -> Iterator[Line]:
    """Raises OSError if it may not be read."""
    started = time.time() - time.monotonic()
    log = os.open(KMSG, os.O_RDONLY | os.O_NONBLOCK)
    try:
        while True:
            try:
                record = os.read(log, LOG_BYTES).decode(errors="replace")
            except BlockingIOError:
                return  # all is read
            except BrokenPipeError:
                continue  # a record was overwritten meanwhile
            head, _, said = record.partition(";")
            microseconds = head.split(",")[2:3]
            if microseconds and microseconds[0].isdigit():
                yield started + int(microseconds[0]) / 1e6, said
    finally:
        os.close(log)


def read_journal(since: float) -> Iterator[Line]:
    command = ["journalctl", "--dmesg", "--quiet", "--no-pager", "--output=short-unix", f"--since=@{since - EARLY:.0f}"]
    try:
        said = subprocess.run(command, capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return
    for line in said.stdout.decode(errors="replace").splitlines():
        when, _, rest = line.partition(" ")
        if when.replace(".", "", 1).isdigit():
            yield float(when), rest
