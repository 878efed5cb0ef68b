"""Preference pairs: votes read from a file, split, and made into batches with the prompt read once for both answers.

Shapes: P pairs, T tokens.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from core.chat_template import encode_chat, encode_prompt, template_of, with_template
from core.checkpoint import read_config
from core.config import Config, setting
from core.datasets.batch import Batch
from core.datasets.conversations import Example
from core.datasets.messages import Messages, message
from core.datasets.preference_files import Preference, Preferences, prompt_messages, read_preferences
from core.datasets.preview import SHOWN, Preview, ShownExample, read_facts, show_example, show_read_at_end
from core.length_buckets import Buckets
from core.linear_cross_entropy import IGNORE_INDEX
from core.tokenizer import Tokenizer


@dataclass(frozen=True)
class PairsConfig(Config):
    """Which votes are learned from."""

    data: str = setting(
        "", "File of votes: JSON lines with prompt, chosen and rejected, as TRL reads them", refers="votes", fixed=True
    )
    val_share: float = setting(
        0.2, "Share of the prompts whose votes are held out to measure on", low=0.01, high=0.9, fixed=True
    )
    ties: str = setting(
        "half",
        "half: of a tie, either answer may be the better one, so no margin is best; skip: ties are left out",
        choices=("half", "skip"),
        fixed=True,
    )
    margin: float = setting(
        0.0,
        "How far ahead an answer voted much better must be; one slightly better a third of that; 0: votes count alike",
        low=0.0,
        high=100.0,
        fixed=True,
    )
    skip_bad_lines: bool = setting(False, "Leave out lines that cannot be read instead of stopping", fixed=True)


FACTS = ("outcome", "margin", "reference", "weight")  # of a pair, beside its tokens: the last fields of a batch


@dataclass(frozen=True)
class EncodedPair:
    """The prompt with either answer, as tokens."""

    chosen: Example
    rejected: Example
    outcome: float  # the probability that `chosen` is the better one: 1, or 1/2 for a tie
    margin: float = 0.0  # how much better the vote called it, see core/preferences/vote_store.py
    reference: tuple[float, float] = (0.0, 0.0)  # log-probabilities in nats by a reference model, where one is asked
    weight: float = 1.0  # of its loss: see core/datasets/thumb_pairs.py, and `leave_out`
    number: int = 0  # of the vote in its file, from 1

    @property
    def examples(self) -> tuple[Example, Example]:
        return self.chosen, self.rejected

    @property
    def lengths(self) -> tuple[int, int]:
        """Tokens of either answer."""
        return sum(self.chosen.mask), sum(self.rejected.mask)

    @property
    def shared(self) -> int:
        """Tokens of the prompt but its last."""
        return self.chosen.mask.index(True) - 1

    @property
    def n_tokens(self) -> int:
        """Of the prompt and both answers in one row."""
        return sum(len(example.ids) for example in self.examples) - self.shared


@dataclass(frozen=True)
class PairBatch(Batch):
    """inputs and targets (P, T): the prompt once, behind it the preferred answer and then the other one.

    Both answers begin with the prompt's last token, which predicts the first token of either. That the prompt is read
    once, and that short and long answers share a row, makes a step 1.0 to 1.5 times as fast; only answers of many
    hundred tokens to short prompts would be faster in rows of their own. A loss of a batch is divided by P.
    """

    branch: Tensor  # (P, T): 0 in the prompt, 1 and 2 in the answers
    outcomes: Tensor  # (P,)
    margins: Tensor  # (P,)
    reference: Tensor  # (P, 2)
    weights: Tensor  # (P,)

    @property
    def n_targets(self) -> int:
        return len(self)

    @property
    def layout(self) -> tuple[Tensor, Tensor]:
        """The prompt is seen by all, an answer by itself alone; a token's position is the number of those before it."""
        sees = ((self.branch[:, None] == self.branch[:, :, None]) | (self.branch[:, None] == 0)).tril()  # (P, T, T)
        return sees.sum(2) - 1, sees[:, None]

    @property
    def lengths(self) -> Tensor:
        """Tokens of either answer, (P, 2)."""
        return self.by_answer(self.targets != IGNORE_INDEX)

    def by_answer(self, values: Tensor) -> Tensor:
        """Sums (P, 2) over either answer of values (P, T)."""
        return torch.stack([(values * (self.branch == number)).sum(1) for number in (1, 2)], 1)


@dataclass(frozen=True)
class Pairs:
    """Votes to learn from and held out, as tokens; the texts of those held out; and what was left out."""

    train: list[EncodedPair]
    val: list[EncodedPair]
    val_texts: list[Any]  # of Preference or of Thumb
    lineage: dict[str, Any]  # for the card
    left_out: list[str]  # in words

    @property
    def val_prompts(self) -> list[Messages]:
        return [prompt_messages(prompt, history) for history, prompt in dict.fromkeys(p.asked for p in self.val_texts)]


def read_pairs(config: PairsConfig, tokenizer: Tokenizer, block_size: int, seed: int) -> Pairs:
    """The votes in a file. Raises ValueError in words if they are too few, all ties, or all too long."""
    found = read_votes(config, tokenizer)
    learned, held_out = used(found, config).split(config.val_share, seed)
    (train, long), (val, val_long) = (encode_pairs(tokenizer, part, block_size) for part in (learned, held_out))
    if not train or not any(pair.outcome == 1 for pair in val):
        raise ValueError(
            f"of {found.name}, the votes to {'measure on' if train else 'learn from'} that are no ties are all longer "
            f"than the context of {block_size} tokens: give shorter ones, or more"
        )
    left_out = [*found.problems]
    if long or val_long:
        left_out.append(f"{len(long) + len(val_long)} votes are longer than the context of {block_size} tokens")
    ties = sum(pair.tie for pair in found.pairs)
    lineage = {"data": found.name, "sha256": found.digest, "votes": len(found.pairs), "ties": ties}
    return Pairs(train, val, [pair for pair in held_out if pair not in val_long], lineage, left_out)


def read_votes(config: PairsConfig, tokenizer: Tokenizer) -> Preferences:
    """The votes in a file. Raises ValueError in words if it cannot be read."""
    if not config.data:
        raise ValueError("data is empty: give a file of votes; the Label tab, and `core votes export`, write one")
    return read_preferences(config.data, config.skip_bad_lines, template_of(tokenizer).input_heading)


def leave_out(pairs: Sequence[EncodedPair], numbers: str) -> list[EncodedPair]:
    """The pairs, of which those of these numbers weigh nothing: order and batches stay, so that only they are missed.

    Raises ValueError for what is no number, or no vote that is learned from.
    """
    wanted = {part.strip() for part in numbers.split(",") if part.strip()}
    known = {str(pair.number) for pair in pairs}
    if unknown := sorted(wanted - known):
        raise ValueError(
            f"leave_out names {', '.join(unknown)}, which is no number of a vote that is learned from: they are "
            f"{', '.join(sorted(known, key=int)[:10])}{' ...' if len(known) > 10 else ''}"
        )
    if wanted == known:
        raise ValueError("leave_out names all votes that are learned from: leave some to learn from")
    return [replace(pair, weight=0.0) if str(pair.number) in wanted else pair for pair in pairs]


def used(found: Preferences, config: PairsConfig) -> Preferences:
    """Those that are learned from."""
    return replace(found, pairs=[pair for pair in found.pairs if config.ties == "half" or not pair.tie])


def encode_pairs(
    tokenizer: Tokenizer, pairs: Sequence[Preference], block_size: int
) -> tuple[list[EncodedPair], list[Preference]]:
    """The pairs of which both answers fit into the context, as tokens, and those that are too long and left out.

    Raises ValueError for a vocabulary that has no tokens for turns.
    """
    encoded, too_long = [], []
    for pair in pairs:
        both = [encode_answer(tokenizer, pair.messages, answer) for answer in (pair.chosen, pair.rejected)]
        if max(len(example.ids) for example in both) > block_size:
            too_long.append(pair)
        else:
            outcome = 0.5 if pair.tie else 1.0
            encoded.append(EncodedPair(both[0], both[1], outcome, pair.margin, number=pair.number))
    return encoded, too_long


def encode_answer(tokenizer: Tokenizer, asked: Messages, answer: str) -> Example:
    """The prompt with an answer, the only one that counts: earlier ones are part of the prompt."""
    begin = len(encode_prompt(tokenizer, asked))
    ids, mask = encode_chat(tokenizer, [*asked, message("assistant", answer)])
    return Example(ids, [False] * begin + mask[begin:])


def likelihood_batch(pairs: Sequence[EncodedPair]) -> PairBatch:
    """To ask how likely the answers are: their tokens are the targets."""

    def asked(example: Example) -> tuple[list[int], list[int]]:
        targets = [id if counts else IGNORE_INDEX for id, counts in zip(example.ids, example.mask, strict=True)]
        return example.ids[:-1], targets[1:]

    return collate_pairs(pairs, asked)


def score_batch(pairs: Sequence[EncodedPair]) -> PairBatch:
    """To ask how good the answers are: each is read at the token that ends it, its one target."""

    def asked(example: Example) -> tuple[list[int], list[int]]:
        length = len(example.ids) - example.mask[::-1].index(True)
        return example.ids[:length], [*[IGNORE_INDEX] * (length - 1), 0]

    return collate_pairs(pairs, asked)


def collate_pairs(pairs: Sequence[EncodedPair], asked: Callable[[Example], tuple[list[int], list[int]]]) -> PairBatch:
    """asked: inputs and targets, equally many, of a prompt with one answer."""
    rows = []
    for pair in pairs:
        begin = pair.shared
        (one, one_targets), (other, other_targets) = map(asked, pair.examples)
        numbers = [0] * begin + [1] * (len(one) - begin) + [2] * (len(other) - begin)
        rows.append((one + other[begin:], one_targets + other_targets[begin:], numbers))
    T = max(len(numbers) for _, _, numbers in rows)

    def column(number: int, filler: list[int]) -> Tensor:
        return torch.tensor([row[number] + filler[len(row[number]) :] for row in rows])

    facts = [torch.tensor([getattr(pair, name) for pair in pairs]) for name in FACTS]
    # What fills up a row is each a branch of its own: no answer sees it, and its positions stay within the context.
    fillers = [0] * T, [IGNORE_INDEX] * T, list(range(3, T + 3))
    inputs, targets, branch = map(column, range(3), fillers)
    return PairBatch(inputs, targets, branch, *facts)


def last_token_batch(texts: Sequence[Sequence[int]]) -> Batch:
    """Texts side by side, (B, T), filled up on the right; the one target of each is at its last token."""
    T = max(map(len, texts))
    inputs, targets = torch.zeros(len(texts), T, dtype=torch.long), torch.full((len(texts), T), IGNORE_INDEX)
    for row, ids in enumerate(texts):
        inputs[row, : len(ids)] = torch.tensor(ids)
        targets[row, len(ids) - 1] = 0
    return Batch(inputs, targets)


class PairBatches:
    """Training batches of pairs of about equal length, as a pure function of the step (see `Buckets`)."""

    def __init__(
        self,
        pairs: Sequence[EncodedPair],
        batch_size: int,
        seed: int,
        make: Callable[[Sequence[EncodedPair]], PairBatch],
    ):
        self.pairs, self.make = pairs, make
        self.buckets = Buckets([pair.n_tokens for pair in pairs], batch_size, seed)

    def __call__(self, step: int) -> PairBatch:
        return self.make([self.pairs[i] for i in self.buckets(step)])


# --- what the model will see ----------------------------------------------------------------------------------


def preview_pairs(config: PairsConfig, parent: str, note: str, read_at_end: str = "") -> Preview:
    """Pairs as the model at `parent` will meet them; `read_at_end`: what is read at the end of an answer, if not said.

    Raises ValueError in words, as the training would.
    """
    tokenizer = with_template(Tokenizer.load(parent))
    block_size = read_config(Path(parent) / "config.json").block_size
    found = used(read_votes(config, tokenizer), config)
    if not found.pairs:
        raise ValueError(f"{found.name} holds no votes{found.why_none}")
    encoded, too_long = encode_pairs(tokenizer, found.pairs, block_size)
    if not encoded:
        raise ValueError(f"all {len(too_long)} votes are longer than the context of {block_size} tokens")
    found.split(config.val_share, seed=0)  # refuses too few
    lengths = [len(example.ids) for pair in encoded for example in pair.examples]
    decided = [pair for pair in encoded if pair.outcome == 1] or encoded
    return Preview(
        [
            *read_facts(found.recognised),
            ("votes", len(encoded)),
            ("tokens in an answer with its prompt, on average", round(sum(lengths) / len(lengths))),
            ("longer than the context, left out", len(too_long)),
        ],
        [
            shown
            for pair in decided[:: max(1, len(decided) // SHOWN)][:SHOWN]
            for shown in show_pair(tokenizer, pair, read_at_end)
        ],
        note,
        found.problems,
        mean_length=sum(lengths) / len(lengths),
        longest=max(lengths),
    )


def show_pair(tokenizer: Tokenizer, pair: EncodedPair, read_at_end: str) -> list[ShownExample]:
    titles = ("Preferred", "Rejected") if pair.outcome == 1 else ("Tie", "Tie")
    both = zip(titles, pair.examples, strict=True)
    if read_at_end:
        return [show_read_at_end(tokenizer, example.ids, read_at_end, title) for title, example in both]
    return [show_example(tokenizer, example, title, at_most=len(example.ids)) for title, example in both]
