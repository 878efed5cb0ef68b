"""The process that learns: started ahead, kept from round to round, ended when nobody needs it."""

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from core import child
from core.online_dpo import Round
from playground.services.labelling import learner
from playground.services.labelling.learner import Learner

# Answers each line with the number of those that it has read, until a round is called "wait" or "die".
PROGRAM = """
import json, sys, time
for count, line in enumerate(sys.stdin, 1):
    parent = json.loads(line)["parent"]
    time.sleep(600 if parent == "wait" else 0)
    print(json.dumps({"error" if count < 3 else "made": f"round {count}"}), flush=True)
"""


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Learner]:
    monkeypatch.setattr(child, "command", lambda *_: [sys.executable, "-S", "-c", PROGRAM])
    made = Learner("cpu")
    yield made
    made.kill()
    if made.idle:
        made.idle.cancel()


def due(session: Path, parent: str = "one") -> Round:
    return Round(parent, "digest", str(session), 1, 0, [], [], "cpu")


def test_one_process_started_ahead_makes_all_rounds_of_a_parent_and_another_one_those_of_another(process, tmp_path):
    process.prepare("one", "digest", tmp_path)
    ahead = process.process
    assert ahead is not None
    for sentence in ("round 1", "round 2"):
        with pytest.raises(ValueError, match=sentence):
            process.run(due(tmp_path), threading.Event())
    process.run(due(tmp_path), threading.Event())
    assert process.process is ahead
    with pytest.raises(ValueError, match="round 1"):
        process.run(due(tmp_path, "two"), threading.Event())
    assert ahead.poll() is not None and process.process is not ahead


def test_one_that_has_died_meanwhile_is_started_anew(process, tmp_path):
    process.prepare("one", "digest", tmp_path)
    process.process.kill()
    process.process.wait()
    with pytest.raises(ValueError, match="round 1"):
        process.run(due(tmp_path), threading.Event())


def test_a_round_that_is_killed_or_not_begun_any_more_ends_without_a_word(process, tmp_path):
    stopping = threading.Event()
    thread = threading.Thread(target=process.run, args=(due(tmp_path, "wait"), stopping))
    thread.start()
    while not process.works:
        time.sleep(0.01)
    stopping.set()
    process.kill()
    thread.join(60)
    assert not thread.is_alive() and process.process is None and not process.works
    process.run(due(tmp_path), stopping)
    assert process.process is None


def test_one_that_nobody_needs_gives_its_memory_back(process, tmp_path, monkeypatch):
    monkeypatch.setattr(learner, "IDLE_SECONDS", 0.01)
    process.prepare("one", "digest", tmp_path)
    process.idle.join(60)
    assert process.process is None
