"""A long log made small: what must survive, and what an average over it still says. And whole, for other programs."""

import csv
import json
import math
import zipfile
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from playground.services.run_export import Exports, write_csv, write_tensorboard
from playground.services.run_log import (
    MOST_ROWS,
    MOST_SAMPLES,
    ROWS_A_SECOND,
    recent,
    rows_allowed,
    seconds_left,
    some_samples,
    table,
)

SPIKE = 6_789


def log_of(steps: int) -> list[dict]:
    """A noisy run: every 500 steps an evaluation, at SPIKE a gradient of 99, a second every ten steps."""
    lines = []
    for step in range(1, steps + 1):
        line = {"step": step, "loss/train": 2 + 3 / step + (step % 7) / 10, "lr": 1e-3 * (1 - step / steps)}
        line |= {"grad_norm": 99.0 if step == SPIKE else 1 + (step % 5) / 9, "tokens_per_second": 4321.98765}
        line |= {"loss/val": 2.5, "bpb/val": 1.7} if step % 500 == 0 else {}
        lines.append(line | {"time": 1e9 + step / 10})
    return lines


def test_a_spike_and_all_evaluations_survive_in_ten_thousand_steps() -> None:
    lines = log_of(10_000)
    columns = table(lines, MOST_ROWS)["columns"]
    steps = columns["step"]
    assert len(steps) <= MOST_ROWS + 25 and steps == sorted(set(steps))
    assert steps[0] == 1 and steps[-1] == 10_000 and SPIKE in steps
    assert columns["grad_norm"][steps.index(SPIKE)] == 99
    assert [step for step, loss in zip(steps, columns["loss/val"], strict=True) if loss] == list(
        range(500, 10_001, 500)
    )


def test_the_means_keep_the_average_over_all_steps() -> None:
    lines = log_of(10_000)
    thinned = table(lines, 300)
    steps = thinned["columns"]["step"]
    spans = [now - before for before, now in zip([0, *steps], steps, strict=False)]
    mean = sum(span * value for span, value in zip(spans, thinned["means"]["loss/train"], strict=True)) / 10_000
    assert mean == pytest.approx(sum(line["loss/train"] for line in lines) / 10_000, rel=1e-4)
    assert "loss/val" not in thinned["means"]
    assert table(lines[:50], 300)["means"] == {}


def test_numbers_are_short_and_only_metrics_that_exist_are_sent() -> None:
    found = table([{"step": 123_456, "lr": 1 / 3e4, "mfu": math.nan, "time": 1.0}], 10)
    assert found == {"columns": {"step": [123_456], "lr": [3.3333e-05], "mfu": [None]}, "means": {}}
    assert table([], 10) == {"columns": {"step": []}, "means": {}}


def test_ten_thousand_steps_travel_as_less_than_200_kb_and_a_second_of_them_as_less_than_4() -> None:
    lines = log_of(10_000)
    assert len(json.dumps(table(lines, MOST_ROWS))) < 200_000
    second = [
        line | {"time": 1e9 + i / 1000, "memory/peak": 1234.5678, "mfu": 0.4321} for i, line in enumerate(lines[:1000])
    ]
    assert rows_allowed(second) == ROWS_A_SECOND
    assert len(json.dumps(table(second, rows_allowed(second)), separators=(",", ":"))) < 4000


def test_who_was_away_longer_gets_more_rows_at_once() -> None:
    assert rows_allowed(log_of(100)) == 10 * ROWS_A_SECOND
    assert rows_allowed(log_of(10_000)) == MOST_ROWS
    assert rows_allowed([]) == rows_allowed([{"step": 1}]) == ROWS_A_SECOND


def test_of_many_samples_the_first_and_the_last_are_shown() -> None:
    samples = [{"step": step} for step in range(1000)]
    shown = some_samples(samples)
    assert len(shown) == MOST_SAMPLES and shown[0] == samples[0] and shown[-1] == samples[-1]
    assert some_samples(samples[:3]) == samples[:3]


def test_the_time_left_follows_the_log_and_not_its_pauses(tmp_path: Path) -> None:
    lines = log_of(10_000)
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"step": 10', encoding="utf-8")
    last = recent(path)
    assert 50 < len(last) < 1000 and last == lines[-len(last) :]
    assert seconds_left(last, 10_100) == pytest.approx(10.0, rel=0.01)
    late = [line | {"time": line["time"] + 3600 * (line["step"] > 9_990)} for line in last]
    assert seconds_left(late, 10_100) == pytest.approx(10.0, rel=0.01)
    assert seconds_left(last[:1], 10_100) is None and seconds_left([], 5) is None
    assert recent(tmp_path / "nothing") == []


def write_log(path: Path, lines: list[dict]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_csv_holds_every_number_as_it_was_logged(tmp_path: Path) -> None:
    lines = log_of(1_000)
    write_csv(write_log(tmp_path / "metrics.jsonl", lines), tmp_path / "mine.csv")
    rows = list(csv.DictReader((tmp_path / "mine.csv").open(encoding="utf-8", newline="")))
    read = [{name: float(cell) for name, cell in row.items() if cell} for row in rows]
    assert read == lines


def test_tensorboard_reads_back_every_metric_and_sample(tmp_path: Path) -> None:
    lines = log_of(1_000)
    samples = [{"step": 500, "prompt": "ROMEO:\n", "text": "🙂 O\n# no title"}]
    metrics = write_log(tmp_path / "metrics.jsonl", lines)
    write_tensorboard("mine", metrics, write_log(tmp_path / "samples.jsonl", samples), tmp_path / "mine.zip")
    zipfile.ZipFile(tmp_path / "mine.zip").extractall(tmp_path)
    found = EventAccumulator(str(tmp_path / "mine"), size_guidance={"scalars": 0, "tensors": 0}).Reload()
    for metric in ("loss/train", "loss/val", "lr"):
        logged = [(line["step"], line["time"], line[metric]) for line in lines if metric in line]
        scalars = found.Scalars(metric)
        assert [(event.step, event.wall_time) for event in scalars] == [(step, when) for step, when, _ in logged]
        assert [event.value for event in scalars] == pytest.approx([value for *_, value in logged], rel=1e-6)
    (sample,) = found.Tensors("sample/text_summary")
    assert sample.step == 500 and sample.wall_time == lines[499]["time"]
    assert sample.tensor_proto.string_val[0].decode() == "    ROMEO:\n    🙂 O\n    # no title"


def test_the_size_of_micro_batches_is_no_curve_and_keeps_no_rows() -> None:
    lines = [{"step": n, "loss/train": 1 / n, "time": 1e9 + n} for n in range(1, 5001)]
    found = table([line | {"micro_batch_size": 8} for line in lines], 100)
    assert found == table(lines, 100)


def test_a_file_comes_in_parts_and_is_gone_with_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("playground.services.run_export.PART_BYTES", 4)
    exports, made = Exports(), []

    def write(directory: Path) -> Path:
        made.append(directory)
        (directory / "mine.csv").write_bytes(b"0123456789")
        return directory / "mine.csv"

    key = exports.begin(write)
    assert [exports.part(key, offset) for offset in (0, 4, 8)] == [
        ("mine.csv", b"0123", False),
        ("mine.csv", b"4567", False),
        ("mine.csv", b"89", True),
    ]
    assert not made[0].exists()
    with pytest.raises(ValueError, match="the file is not there any more"):
        exports.part(key, 0)
    for _ in range(9):
        exports.begin(write)
    assert sum(directory.exists() for directory in made) == 4
