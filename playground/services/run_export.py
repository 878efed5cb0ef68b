"""A run's log at full resolution, for other programs: a CSV table, or an event file for TensorBoard."""

import csv
import io
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tensorboardX.proto.event_pb2 import Event
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.record_writer import RecordWriter
from tensorboardX.summary import text as text_summary

from playground.services.run_log import Line


def as_csv(lines: Sequence[Line]) -> bytes:
    """A row a step; a metric that a step does not have is an empty cell. Numbers are written as they were logged."""
    file = io.StringIO()
    writer = csv.DictWriter(file, list(dict.fromkeys(name for line in lines for name in line)))
    writer.writeheader()
    writer.writerows(lines)
    return file.getvalue().encode("utf-8")


def as_tensorboard(name: str, lines: Sequence[Line], samples: Sequence[Line]) -> bytes:
    """A zip with the directory `name`, which is how TensorBoard tells runs apart, and in it one event file."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / f"events.out.tfevents.{int(time_of(lines[0])) if lines else 0}.{name}"
        writer = RecordWriter(str(path))
        for event in events(lines, samples):
            writer.write(event.SerializeToString())
        writer.close()
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(path, f"{name}/{path.name}")
    return packed.getvalue()


def events(lines: Sequence[Line], samples: Sequence[Line]) -> Iterator[Event]:
    """All metrics of a step in one event; samples as texts, at the time of their step."""
    times = {line["step"]: time_of(line) for line in lines}
    yield Event(wall_time=min(times.values(), default=0.0), file_version="brain.Event:2")
    for line in lines:
        values = [Summary.Value(tag=k, simple_value=v) for k, v in line.items() if k not in ("step", "time")]
        yield Event(wall_time=time_of(line), step=line["step"], summary=Summary(value=values))
    for sample in samples:
        # TensorBoard reads Markdown: four spaces keep lines and signs as they are.
        words = "\n".join(f"    {row}" for row in f"{sample.get('prompt', '')}{sample.get('text', '')}".splitlines())
        step = sample["step"]
        yield Event(wall_time=times.get(step, 0.0), step=step, summary=text_summary("sample", words))


def time_of(line: Line) -> float:
    seconds: float = line.get("time", 0.0)
    return seconds
