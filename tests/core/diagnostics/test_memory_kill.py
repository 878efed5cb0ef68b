"""What the kernel's log says of a process that is gone, and what is said of its run."""

import itertools
import os
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest

from core.diagnostics import memory_kill
from core.diagnostics.doctor import diagnose
from core.diagnostics.machine_rules import MACHINE_RULES
from core.diagnostics.memory_kill import killed_for_memory
from core.training.failure import Failure
from core.training.run_directory import Status

KILL = "Out of memory: Killed process 4242 (python3) total-vm:99999kB, anon-rss:8888kB, UID:1000 oom_score_adj:0"
GROUP = "Memory cgroup out of memory: Killed process 4242 (python3) total-vm:99999kB"


@pytest.mark.parametrize("said", [KILL, GROUP])
def test_the_kernel_tells_which_process_it_has_ended_and_when(said: str) -> None:
    lines = [(100.0, "usb 1-1: new device"), (1000.0, said)]
    assert killed_for_memory(4242, 995.0, lines)
    assert not killed_for_memory(424, 995.0, lines) and not killed_for_memory(42, 995.0, lines)
    assert not killed_for_memory(4242, 2000.0, lines)  # another one, which had that number before
    assert not killed_for_memory(4242, 0.0, lines[:1])


def test_the_kernels_own_records_are_read_to_their_end(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    when = int((time.monotonic() - 5) * 1e6)
    records: list[bytes | type[OSError]] = [f"3,1,{when},-;{KILL}\n".encode(), BrokenPipeError, b"odd", BlockingIOError]
    log = tmp_path / "kmsg"
    log.touch()
    replies = iter(records)

    def read(_: int, count: int) -> bytes:
        reply = next(replies)
        if isinstance(reply, bytes):
            return reply
        raise reply

    monkeypatch.setattr(memory_kill, "KMSG", str(log))
    monkeypatch.setattr(os, "read", read)
    ((found, said),) = list(memory_kill.read_kmsg())
    assert said.strip() == KILL and found == pytest.approx(time.time() - 5, abs=1)


def test_who_may_not_read_them_asks_the_journal_and_if_that_fails_nothing_is_known(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(memory_kill.sys, "platform", "linux")
    monkeypatch.setattr(memory_kill, "KMSG", str(tmp_path / "absent"))
    printed = f"-- Boot --\n1000.250000 host kernel: {KILL}\n".encode()
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: subprocess.CompletedProcess([], 0, printed))
    assert killed_for_memory(4242, 990.0) and not killed_for_memory(4243, 990.0)

    def fails(*_: object, **__: object) -> None:
        raise next(errors)

    errors = itertools.cycle([FileNotFoundError(), subprocess.TimeoutExpired("journalctl", 3)])
    monkeypatch.setattr(subprocess, "run", fails)
    assert not killed_for_memory(4242, 990.0) and not killed_for_memory(4242, 990.0)


def test_the_doctor_says_that_the_memory_did_not_suffice_and_what_to_try() -> None:
    lines = [{"step": 1, "loss/train": 5.0, "lr": 0.1, "micro_batch_size": 16}]
    status = Status(
        "interrupted", step=1, failure=Failure("memory", 1, "it needs 242 GB of 24 GB on the cpu", "kernel")
    )
    (found,) = diagnose(lines, {"batch_size": 16}, {}, status, MACHINE_RULES)
    assert (found.kind, found.changes) == ("killed for memory", {"micro_batch_size": 8})
    assert found.evidence == (
        "Its process ended after step 1: it needs 242 GB of 24 GB on the cpu. "
        "The kernel's log says that it was ended for want of memory."
    )
    (one,) = diagnose(lines, {"micro_batch_size": 1}, {}, status, MACHINE_RULES)
    assert one.changes == {"micro_batch_size": 1, "recompute": True}
    assert not diagnose(lines, {"batch_size": 16}, {}, replace(status, failure=None), MACHINE_RULES)
