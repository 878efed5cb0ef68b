"""Contenders in processes of their own, taking turns: the same machine, the same minute, medians."""

import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

Build = Callable[[], Callable[[], Any]]  # prepares everything, and returns the work that is timed


@dataclass
class Times:
    """Seconds of each round, and what the work returned in the last one."""

    seconds: list[float] = field(default_factory=list)
    result: Any = None

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


class Contender:
    """A process that has built its work and does it when asked."""

    def __init__(self, build: Build, threads: int):
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        before = dict(os.environ)
        os.environ["OMP_NUM_THREADS"] = str(threads)
        self.process = context.Process(target=serve, args=(theirs, build, threads), daemon=True)
        self.process.start()
        os.environ.clear()
        os.environ.update(before)
        self.first = self.ask()[1]  # built, and warm

    def ask(self) -> tuple[float, Any]:
        """(seconds, result) of one round. Raises RuntimeError with the contender's own error."""
        self.connection.send("go")
        try:
            seconds, result, error = self.connection.recv()
        except EOFError:
            raise RuntimeError(f"the process died ({self.process.exitcode}): not enough memory?") from None
        if error:
            raise RuntimeError(error)
        return seconds, result

    def close(self) -> None:
        self.process.kill()
        self.process.join()


def serve(connection: Connection, build: Build, threads: int) -> None:
    import torch  # noqa: PLC0415 (only here, so that the environment is set before)

    torch.set_num_threads(threads)
    work = None
    while connection.recv() == "go":
        try:
            work = work or build()
            began = time.perf_counter()
            result = work()
            connection.send((time.perf_counter() - began, result, None))
        except Exception as error:
            connection.send((0.0, None, f"{type(error).__name__}: {error}"))


def contest(builds: Mapping[str, Build], rounds: int, threads: int) -> dict[str, Times]:
    """The times of every contender, after a round to warm up; in each round all take their turn, in changing order."""
    contenders: dict[str, Contender] = {}
    times = {name: Times() for name in builds}
    try:
        for name, build in builds.items():
            contenders[name] = Contender(build, threads)
            times[name].result = contenders[name].first
        for round in range(rounds):
            for name in sorted(builds, key=lambda name: (name == "ours") != bool(round % 2)):
                seconds, times[name].result = contenders[name].ask()
                times[name].seconds.append(seconds)
    finally:
        for contender in contenders.values():
            contender.close()
    return times
