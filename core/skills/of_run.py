"""What a run has learned, from what lies in its directory: evaluations in details.jsonl, snapshots, samples."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import checkpoint
from core.atomic_files import atomic_file
from core.checkpoint import is_checkpoint, read_card
from core.datasets import shakespeare as corpora
from core.datasets.shakespeare import Corpus
from core.skills.evaluation import SKILLS, SkillEvaluation, read_evaluation, values_of
from core.skills.heads import HEAD_SKILLS
from core.skills.instructions import OBEYS, count_obeyed
from core.skills.skill import Births, Seen, Series, find_births, merge
from core.skills.writing import WRITING_SKILLS, Text, count_writing
from core.tokenizer import Tokenizer
from core.training.log_lines import append_line, each_line, read_lines
from core.training.run_directory import Run, step_number

Line = dict[str, Any]  # of details.jsonl: {"step", "skills"}


@dataclass(frozen=True)
class Learned:
    """What a run has learned, and what that was told from."""

    births: Births
    evaluations: list[int]  # steps
    unmeasured: tuple[int, str]  # how many snapshots, or else samples, could be measured besides: see `measure`
    missing: list[str]  # what cannot be told, a sentence each


def learned(run: Run, measured: list[Line] | None = None) -> Learned:
    """What the run has learned so far, by its evaluations and by lines that were `measured` now."""
    details = list(each_line(run.details))
    recorded = [line for line in details if "skills" in line]
    series = merge(
        [
            *(read_evaluation(line["step"], line["skills"]) for line in [*(measured or []), *recorded]),
            count_obeyed(details),
        ]
    )
    steps = sorted({seen.step for of_one in series.values() for seen in of_one})
    return Learned(
        births=find_births(series, SKILLS),
        evaluations=steps,
        unmeasured=(0, "") if measured else unmeasured(run, bool(recorded)),
        missing=missing(run, series, bool(details), bool(measured)),
    )


def missing(run: Run, series: Series, has_details: bool, was_measured: bool) -> list[str]:
    """What cannot be told of this run."""
    if not learns_text(run):
        if any(which.skill == OBEYS.name for which in series):
            return []
        what = "hold no instructions that can be checked" if has_details else "were not kept"
        return [f"Whether it obeys cannot be told: its answers to held-out prompts {what}."]
    there = {which.skill for which in series}
    if not there:
        return []
    found = []
    if not there & HEAD_SKILLS.keys():
        found.append("What its heads do cannot be told: it has kept no snapshots, and its log says nothing of them.")
    if not there & WRITING_SKILLS.keys():
        found.append("What it writes was not measured: it has too many weights to write texts at each evaluation.")
        return found
    for name, skill in WRITING_SKILLS.items():
        if name not in there:
            found.append(f"No {skill.title}: its text has {skill.without}.")
    if was_measured and not run.snapshots():
        found.append("Its log holds one short text an evaluation, so only what that makes certain is told.")
    return found


def learns_text(run: Run) -> bool:
    """Is it a pre-training?"""
    return "corpus" in run.read()[1]


# --- runs that have no such lines -------------------------------------------------------------------------------


def unmeasured_snapshots(run: Run) -> list[Path]:
    """Those of before the first evaluation that measured skills."""
    first = next((line["step"] for line in each_line(run.details) if "skills" in line), math.inf)
    return [path for path in run.snapshots() if step_number(path) < first]


def unmeasured(run: Run, has_recorded: bool) -> tuple[int, str]:
    snapshots = len(unmeasured_snapshots(run)) if learns_text(run) else 0
    if snapshots or has_recorded or not learns_text(run):
        return snapshots, "snapshot"
    return len(read_lines(run.samples)[0]), "sample"


def measure(run: Run, say: Callable[[str], None] = lambda text: None) -> list[Line]:
    """Lines for what a run has not measured itself: from its snapshots, or if it has none from its samples.

    say: shows how far it is. Raises ValueError in words if its corpus or its vocabulary cannot be read any more.
    """
    if not learns_text(run):
        raise ValueError(f"{run.name} is no pre-training: of others only the answers in their log are looked at")
    snapshots = unmeasured_snapshots(run)
    samples = [] if snapshots or run.snapshots() else read_lines(run.samples)[0]
    if not snapshots and not samples:
        return []
    say("reading its corpus")
    place = snapshots[0] if snapshots else weights_of(run)
    tokenizer, corpus = Tokenizer.load(place), corpus_of(run, place)
    if not snapshots:
        return list(of_samples(run, samples, Text.read((*corpus.train, *corpus.val), tokenizer)))
    evaluate = SkillEvaluation(corpus.train, corpus.val, tokenizer)
    lines = []
    for path in snapshots:
        say(f"measuring step {step_number(path):,}")
        lines.append({"step": step_number(path), "skills": evaluate(checkpoint.load(path).model, step_number(path))})
    return lines


def of_samples(run: Run, samples: list[Line], text: Text) -> Iterator[Line]:
    """One text an evaluation; a model of random weights, with which most begin, can do nothing yet."""
    if not run.read()[1].get("init_from"):
        nothing = {name: values_of(Seen(0, None, 0.0, 1.0)) for name in WRITING_SKILLS}
        yield {"step": 0, "skills": {"texts": nothing}}
    for line in samples:
        seen = count_writing(line["step"], [line.get("text", "")], text)
        yield {"step": line["step"], "skills": {"texts": {name: values_of(one) for name, one in seen.items()}}}


def keep(run: Run, lines: list[Line]) -> None:
    """Put lines that were measured now before those of the run's details.jsonl. ValueError if it goes on meanwhile."""
    if run.status().active:
        raise ValueError(f"{run.name} is being trained: wait until it ends, or stop it")
    steps = {line["step"] for line in lines}
    kept = [line for line in each_line(run.details) if line["step"] not in steps or "skills" not in line]
    with atomic_file(run.details) as temporary:
        for line in sorted([*lines, *kept], key=lambda line: line["step"]):
            append_line(temporary, line)


def corpus_of(run: Run, weights: Path) -> Corpus:
    """The text that it learns from. Raises ValueError if it has gone or is another one by now."""
    values = run.read()[1]
    corpus = corpora.load(values["corpus"], values.get("text_column", ""), values.get("skip_bad_lines", False))
    noted = read_card(weights / "card.json").data.get("sha256")
    if noted and noted != corpus.digest:
        raise ValueError(f"the corpus {values['corpus']} has changed since {run.name} learned from it")
    return corpus


def weights_of(run: Run) -> Path:
    """The latest weights that it has kept. Raises ValueError if there are none."""
    found = [*run.snapshots(), *run.saved_steps(), *([run.directory] if is_checkpoint(run.directory) else [])]
    if not found:
        raise ValueError(f"{run.name} has kept no weights yet: wait until a step is saved")
    return max(found, key=lambda path: read_card(path / "card.json").step)
