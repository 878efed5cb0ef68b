"""Learned votes: which votes of its file a model learned from, and the same training without some of them.

What is left out weighs nothing (`leave_out` of core/stages/dpo.py): seed, order and batches stay as they were.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from core.checkpoint import is_checkpoint, read_card, read_config, weights_digest
from core.datasets.preference_files import Preference, sort_tie
from core.datasets.preference_pairs import PairsConfig, read_pairs, read_votes
from core.stages.data_files import check_unchanged, noted_on
from core.stages.registry import DPO, stage_of
from core.tokenizer import Tokenizer
from core.training.run_directory import Run


class LearnedVotes:
    """Those of a run that has made a model. Raises ValueError in words if they are none, or have changed since."""

    def __init__(self, directory: Path):
        self.run = Run(directory)
        self.stage, self.config = stage_of(self.run)
        name, values = self.run.name, self.config.to_dict()
        pairs = getattr(self.config, "pairs", None)
        if not isinstance(pairs, PairsConfig) or values.get("loss_type") == "kto":
            what = "thumbs" if isinstance(pairs, PairsConfig) else self.stage.title
            raise ValueError(f"{name} learned by {what}, not from votes between two answers: choose another model")
        if not is_checkpoint(directory):
            raise ValueError(self.unfinished)
        self.card = read_card(directory / "card.json")
        self.parent = Path(self.config.adapt.parent).expanduser()
        self.check()
        tokenizer, block_size = Tokenizer.load(directory), read_config(directory / "config.json").block_size
        before = {part.strip() for part in values.get("leave_out", "").split(",")}
        learned = read_pairs(pairs, tokenizer, block_size, self.config.fit.seed).train
        self.pairs = [pair for pair in learned if str(pair.number) not in before]
        self.texts = {pair.number: pair for pair in read_votes(pairs, tokenizer).pairs}

    def check(self) -> None:
        """Raises ValueError in words unless the votes lie where they were read, as they were then."""
        check_unchanged(self.stage, self.config, noted_on(self.card) or {}, "or train on the new ones")

    @property
    def numbers(self) -> list[int]:
        """In their file, from 1."""
        return [pair.number for pair in self.pairs]

    @property
    def unfinished(self) -> str:
        return f"{self.run.name} is not finished: wait until it is, or resume it"

    @property
    def trouble(self) -> str:
        """Why the same training cannot be done without some of the votes; "" if it can, as far as is seen quickly."""
        if self.stage.name != DPO:
            return f"{self.run.name} was not made by DPO, which alone can leave votes out: train a new one"
        if self.run.status().state != "finished":
            return self.unfinished
        if not is_checkpoint(self.parent):
            return (
                f"{self.run.name} was made from {self.parent.name}, which is not there any more: restore it from the "
                "trash, or train on the votes that are left from another model"
            )
        return ""

    def numbers_of(self, votes: Iterable[Preference]) -> list[int]:
        """The numbers of these votes as far as the model learned from them; of several alike, as many as are given."""
        wanted, found = Counter(map(sort_tie, votes)), []
        for number, text in self.texts.items():
            vote = sort_tie(text)
            if wanted[vote]:
                wanted[vote] -= 1
                found.append(number)
        return [number for number in self.numbers if number in found]

    def settings_without(self, numbers: Sequence[int]) -> dict[str, Any]:
        """The settings with which these votes, beside those that were left out already, weigh nothing.

        Raises ValueError in words if that cannot be, or would not be the same training.
        """
        known = set(self.numbers)
        if not numbers or known <= set(numbers):
            raise ValueError("choose at least one vote, and leave some to learn from")
        if unknown := sorted(set(numbers) - known):
            raise ValueError(f"{self.run.name} did not learn from vote {unknown[0]}: choose one of the list")
        if self.trouble:
            raise ValueError(self.trouble)
        digest = weights_digest(self.parent)
        if self.card.data.get("parent_sha256", digest) != digest:
            raise ValueError(
                f"{self.parent.name} has changed since {self.run.name} was made from it: put the old one back, or "
                "train on the votes that are left"
            )
        values: dict[str, Any] = self.config.to_dict()
        before = [part for part in values["leave_out"].split(",") if part.strip()]
        return values | {"leave_out": ",".join([*before, *map(str, sorted(set(numbers)))])}
