"""A run's log at full resolution, for other programs: a CSV table, or an event file for TensorBoard.

However long it is, a piece of it is in memory at a time.
"""

import csv
import secrets
import tempfile
import threading
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import text as text_summary

from core.training.log_lines import each_line, read_lines
from playground.services.run_log import Line

PART_BYTES = 1 << 22
MOST_OPEN = 4  # files that are being fetched


class Exports:
    """Files that a window fetches part by part: each is gone with its last part, or when others need its place."""

    def __init__(self) -> None:
        self.open: dict[str, tuple[tempfile.TemporaryDirectory[str], Path]] = {}
        self.lock = threading.Lock()

    def begin(self, write: Callable[[Path], Path]) -> str:
        """Write a file into the directory that `write` is given; returns the key by which its parts are asked for."""
        place, key = tempfile.TemporaryDirectory(), secrets.token_hex(8)
        try:
            path = write(Path(place.name))
        except BaseException:
            place.cleanup()
            raise
        with self.lock:
            self.open[key] = place, path
            for old in list(self.open)[:-MOST_OPEN]:
                self.open.pop(old)[0].cleanup()
        return key

    def part(self, key: str, offset: int) -> tuple[str, bytes, bool]:
        """(name of the file, its bytes from `offset` on, is that its end?). Raises ValueError if it is not there."""
        with self.lock:
            if key not in self.open:
                raise ValueError("the file is not there any more, as others were made meanwhile: save it again")
            place, path = self.open[key]
            with path.open("rb") as file:
                file.seek(offset)
                content = file.read(PART_BYTES)
                is_end = not file.read(1)
            if is_end:
                self.open.pop(key)
                place.cleanup()
        return path.name, content, is_end


def write_csv(metrics: Path, path: Path) -> None:
    """A row a step; a metric that a step does not have is an empty cell. Numbers are written as they were logged."""
    names = list(dict.fromkeys(name for line in each_line(metrics) for name in line))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(each_line(metrics))


def write_tensorboard(name: str, metrics: Path, samples: Path, path: Path) -> None:
    """A zip with the directory `name`, which is how TensorBoard tells runs apart, and in it one event file."""
    first = next(each_line(metrics), {})
    with tempfile.TemporaryDirectory() as directory:
        written = Path(directory) / f"events.out.tfevents.{int(time_of(first))}.{name}"
        writer = RecordWriter(str(written))
        for event in events(each_line(metrics), read_lines(samples)[0]):
            writer.write(event.SerializeToString())
        writer.close()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(written, f"{name}/{written.name}")


def events(lines: Iterable[Line], samples: list[Line]) -> Iterator[Event]:
    """All metrics of a step in one event; samples as texts, at the time of their step."""
    times = {sample["step"]: 0.0 for sample in samples}
    begun = False
    for line in lines:
        if not begun:
            yield Event(wall_time=time_of(line), file_version="brain.Event:2")
            begun = True
        if line["step"] in times:
            times[line["step"]] = time_of(line)
        values = [Summary.Value(tag=k, simple_value=v) for k, v in line.items() if k not in ("step", "time")]
        yield Event(wall_time=time_of(line), step=line["step"], summary=Summary(value=values))
    for sample in samples:
        # TensorBoard reads Markdown: four spaces keep lines and signs as they are.
        words = "\n".join(f"    {row}" for row in f"{sample.get('prompt', '')}{sample.get('text', '')}".splitlines())
        step = sample["step"]
        yield Event(wall_time=times[step], step=step, summary=text_summary("sample", words))


def time_of(line: Line) -> float:
    seconds: float = line.get("time") or 0.0
    return seconds
