"""The report card of a checkpoint: what can be measured of it, one measure after the other.

Each is written into card.json as soon as it is there: whoever is stopped goes on with what is missing.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from core import checkpoint
from core.atomic_files import write_json
from core.chat_template import reads
from core.checkpoint import Card, Checkpoint, is_classifier, is_reward_model, read_card
from core.classifier import SequenceClassifier
from core.datasets import shakespeare as corpora
from core.datasets.classification import Labelled
from core.datasets.prompts import held_out_prompts
from core.evaluation.classification import evaluate_classifier
from core.evaluation.instructions import evaluate_instructions, replies
from core.evaluation.language_model import bits_per_byte
from core.evaluation.memorization_rate import TEMPERATURES, memorization_rates
from core.evaluation.preferences import reward_scores
from core.generate import Sampling
from core.learned_text import learned_text, lineage, read_text
from core.model import GPT
from core.preferences.agreement import Rate, rate
from core.roots import Roots, shipped_models
from core.stages.base import HELD_OUT, Metric
from core.stages.metrics import LOOP, LOSS
from core.stages.registry import STAGES, answers, check_data

CORPUS = "shakespeare"  # whose held-out plays no model here has learned from
EACH = 50  # instructions of each kind
PROMPTS = Sampling(max_new_tokens=64), 60  # how answers are drawn that a reward model scores, and how many

# What is measured here alone: one text for all, so that models can be compared, and what they copy; and figures whose
# key goes on.
COPIED = "tokens copied from its training text"
OWN = (
    Metric("bpb/plays", "bits per byte", role=HELD_OUT, meaning="bits per byte on held-out plays"),
    *(
        Metric(f"copied/{t:g}", "copied", "share", HELD_OUT, f"{COPIED}, at temperature {t:g}", counted=("n/texts",))
        for t in TEMPERATURES
    ),
    Metric("copied/unseen", "copied", "share", HELD_OUT, f"{COPIED}, of text unseen", counted=("n/texts/unseen",)),
)
FAMILIES = (
    Metric("follow/", "followed", "share", HELD_OUT, "instructions followed: ", counted=("n/instructions/",)),
    Metric("reward/", "score", role=HELD_OUT, meaning="mean score by "),
    Metric("n/", "cases", role=HELD_OUT, meaning="measured on so many "),
)

Measures = dict[str, Callable[[], dict[str, float]]]  # by what is measured, in words


def measures(directory: Path, device: torch.device) -> Measures:
    """What can be measured of the checkpoint there. Raises ValueError if nothing can, or it cannot be read."""
    if is_reward_model(directory):
        raise ValueError(f"{directory.name} is a reward model: its training has measured it on held-out votes")
    if is_classifier(directory):
        classifier = checkpoint.load_classifier(directory, device)
        return {"accuracy on held-out texts": lambda: accuracy(classifier)}
    loaded = checkpoint.load(directory, device)
    found: Measures = {
        "bits per byte on held-out plays": lambda: {"bpb/plays": bits_per_byte(loaded, corpora.load(CORPUS))}
    }
    roots = Roots(directory.parent, shipped_models())
    copying: Measures = {COPIED: partial(copied, loaded, directory, roots)} if lineage(directory, roots).sources else {}
    if not answers(loaded.card):
        return found | copying
    found["instructions followed, replies that fit"] = lambda: evaluate_instructions(
        loaded.model, loaded.tokenizer, EACH
    )
    for path in sorted(directory.parent.glob("*/model.safetensors")):
        if is_reward_model(path.parent):
            found[f"score by {path.parent.name}"] = partial(reward, loaded, path.parent, device)
    return found | copying


def report(directory: Path, device: torch.device, anew: bool = False) -> Iterator[tuple[str, dict[str, float]]]:
    """Measure what the card lacks, or all of it `anew`; yields (what comes next, {}) and (what was measured, values).

    Raises ValueError like `measures`.
    """
    for what, measure in measures(directory, device).items():
        done = read_card(directory / "card.json").measured
        if what in done and not anew:
            continue
        yield what, {}
        values = measure()
        card = read_card(directory / "card.json")  # as it is now
        new = replace(card, report=card.report | values, measured=[*dict.fromkeys([*card.measured, what])])
        write_json(directory / "card.json", asdict(new))
        yield what, values


def accuracy(classifier: Checkpoint[SequenceClassifier]) -> dict[str, float]:
    texts = held_out_texts(classifier.card)
    found = evaluate_classifier(classifier, texts)
    return {"accuracy/val": found["accuracy"], "f1/val": found["f1"]} | texts.cases


def held_out_texts(card: Card) -> Labelled:
    """The texts that a classifier has not learned from. Raises ValueError if that is not known any more."""
    stage = STAGES.get(card.stage)
    if stage is None or stage.held_out is None:
        raise ValueError("this classifier was not trained here, so that it is not known which texts it has not seen")
    check_data(card)
    found = stage.held_out(stage.config.from_dict(card.config))
    if card.data.get("sha256", found.digest) != found.digest:  # of cards on which no file is noted, or read otherwise
        raise ValueError(
            f"the texts of {found.name} are no longer divided as they were when this classifier learned from them, so "
            "that it is not known which it has not seen: train a new one"
        )
    return found


def copied(loaded: Checkpoint[GPT], directory: Path, roots: Roots) -> dict[str, float]:
    """How much of what it writes is copied. Raises ValueError if the text it learned from has gone or changed."""
    held_out = read_text(lineage(directory, roots).sources[0])
    text = learned_text(directory, loaded.tokenizer, roots)
    return memorization_rates(loaded.model, loaded.tokenizer, answers(loaded.card), held_out, text.indexes)


def reward(loaded: Checkpoint[GPT], judge: Path, device: torch.device) -> dict[str, float]:
    """The mean score of answers to held-out prompts; nothing if the reward model reads another vocabulary."""
    rater = checkpoint.load_classifier(judge, device)
    if not reads(rater.tokenizer, loaded.tokenizer):
        return {}
    sampling, count = PROMPTS
    prompts = held_out_prompts(count)
    answers = replies(loaded.model, loaded.tokenizer, prompts, sampling)
    return {f"reward/{judge.name}": mean(reward_scores(rater.model, rater.tokenizer, prompts, answers))}


# --- what the figures mean ------------------------------------------------------------------------------------


def known_figures() -> dict[str, Metric]:
    """What may stand on a card, by key, in the order in which it is read."""
    stages = (metric for stage in STAGES.values() for metric in (*stage.metrics, *LOSS, *LOOP))
    found: dict[str, Metric] = {}
    for metric in (*OWN, *stages):
        if metric.meaning:
            found.setdefault(metric.key, metric)
    return found


def figure(key: str) -> Metric:
    """The metric called `key`, declared or not."""
    if (known := known_figures().get(key)) is not None:
        return known
    for family in FAMILIES:
        if key.startswith(family.key):
            own = key.removeprefix(family.key)
            return replace(
                family, key=key, meaning=family.meaning + own, counted=tuple(n + own for n in family.counted)
            )
    return Metric(key, key, role=HELD_OUT, meaning=key)


@dataclass(frozen=True)
class Figure:
    """A figure as it stands on a card; of a share, on how many cases it was counted, with its interval."""

    metric: Metric
    value: float
    count: int = 0  # 0: it is no share, or that was not noted
    of: str = ""  # what was counted

    @property
    def rate(self) -> Rate | None:
        """None of what is no share, was counted on an unknown number of cases, or on plays: these are too few."""
        return rate(self.value * self.count, self.count) if self.count and self.of != "plays" else None

    def __str__(self) -> str:
        """`61 % (95 % interval 57 to 65 %, n = 574 instructions)`, or 1.998."""
        if self.metric.unit != "share":
            return f"{self.value:.4g}"
        found = self.rate
        interval = f"95 % interval {100 * found.low:.0f} to {100 * found.high:.0f} %, " if found else ""
        return f"{100 * self.value:.0f} % ({interval}" + (
            f"n = {self.count:,} {self.of})" if self.count else "n not noted)"
        )


def figures(report: Mapping[str, Any]) -> list[Figure]:
    """Those of a card in the order in which they are declared, the others after them; numbers of cases with shares."""
    known = known_figures()
    numbers = {key: value for key, value in report.items() if isinstance(value, int | float)}
    order = [key for key in [*known, *(key for key in numbers if key not in known)] if key in numbers]
    found, told = [], set()
    for metric in map(figure, order):
        counted = next((key for key in metric.counted if numbers.get(key)), "")
        told.add(counted)
        cases = int(numbers.get(counted, 0))
        found.append(Figure(metric, numbers[metric.key], cases, counted.split("/")[1] if counted else ""))
    return [one for one in found if one.metric.key not in told]
