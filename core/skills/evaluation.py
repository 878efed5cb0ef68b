"""What an evaluation sees of all skills, as a line of details.jsonl keeps it under `skills`, and reads it again.

{"texts": {"words": [count, of, low, high, example], ...}, "heads": {"induction": [[0.01, ...], ...], ...}}
"""

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from torch import Tensor

from core.model import GPT
from core.skills.heads import HEAD_SKILLS, score_heads
from core.skills.instructions import OBEYS
from core.skills.skill import Seen, Skill, Which
from core.skills.writing import WRITING_SKILLS, Text, count_writing, places, write_texts
from core.tokenizer import Tokenizer
from core.training.log_lines import is_number, is_whole

MOST_WEIGHTS = 30_000_000  # beyond which a CPU takes too long to write texts at each evaluation
SKILLS: dict[str, Skill] = {**WRITING_SKILLS, OBEYS.name: OBEYS, **HEAD_SKILLS}  # in the order in which they are shown


class SkillEvaluation:
    """Measures the skills of a model that learns from the documents `train`, where `val` is held out.

    A model of more than MOST_WEIGHTS writes no texts where it computes on a CPU.
    """

    def __init__(self, train: Sequence[str], val: Sequence[str], tokenizer: Tokenizer):
        self.train, self.val, self.tokenizer = train, val, tokenizer

    @cached_property
    def held_against(self) -> tuple[list[str], Text]:
        """What texts are begun with, and what they are held against: read when it is first needed."""
        return places(self.val), Text.read((*self.train, *self.val), self.tokenizer)

    def __call__(self, model: GPT, step: int) -> dict[str, Any]:
        """What stands under `skills`."""
        texts: dict[str, Seen] = {}
        if model.config.n_params <= MOST_WEIGHTS or model.device.type != "cpu":
            prompts, text = self.held_against
            texts = count_writing(step, write_texts(model, self.tokenizer, prompts), text)
        heads = {name: rounded(scores) for name, scores in score_heads(model).items()}
        return {"texts": {name: values_of(seen) for name, seen in texts.items()}, "heads": heads}


def rounded(scores: Tensor) -> list[list[float]]:
    return [[round(score, 3) for score in row] for row in scores.tolist()]


def values_of(seen: Seen) -> list[Any]:
    return [seen.count, seen.of, round(seen.low, 4), round(seen.high, 4), seen.example]


def read_evaluation(step: int, skills: Any) -> dict[Which, list[Seen]]:
    """What `skills` of a line of details.jsonl holds; what is damaged, or not known here, is left out."""
    if not isinstance(skills, dict):
        return {}
    texts, heads = (part if isinstance(part := skills.get(name), dict) else {} for name in ("texts", "heads"))
    found = {Which(name): [seen_of(step, values)] for name, values in texts.items() if is_tally(name, values)}
    for name, rows in heads.items():
        if name in HEAD_SKILLS and isinstance(rows, list):
            for layer, row in enumerate(rows):
                for head, score in enumerate(row if isinstance(row, list) else []):
                    if is_number(score) and math.isfinite(score):
                        found[Which(name, (layer, head))] = [Seen(step, score, score, score)]
    return found


def is_tally(name: str, values: Any) -> bool:
    if name not in WRITING_SKILLS or not isinstance(values, list) or len(values) != 5:
        return False
    count, of, low, high, example = values
    return is_whole(count) and is_whole(of) and is_number(low) and is_number(high) and isinstance(example, str)


def seen_of(step: int, values: Sequence[Any]) -> Seen:
    count, of, low, high, example = values
    return Seen(step, count / of if of else None, low, high, count, of, example)
