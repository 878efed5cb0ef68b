"""Thumbs as KTO reads them: each answer beside an answer to something else.

How far a policy has moved in general is told by answers to other prompts, put behind this one (Ethayarajh et al. 2024,
arXiv:2402.01306, section 4.1), so a thumb becomes a pair: `chosen` is its answer, `rejected` that of another thumb.
outcome: 1 for a thumb up, 0 for one down. The kind of which there are fewer may weigh more, as equation 8 asks for.
"""

import random
from collections.abc import Sequence
from pathlib import Path

from core.chat_template import template_of, with_template
from core.checkpoint import read_config
from core.config import plural
from core.datasets.conversations import Example
from core.datasets.preference_pairs import EncodedPair, Pairs, PairsConfig, encode_answer
from core.datasets.preview import SHOWN, Preview, read_facts, show_example
from core.datasets.thumbs import Feedback, Thumb, count_thumbs, read_feedback
from core.tokenizer import Tokenizer

FEWEST = 4  # thumbs: with fewer there are not two kinds to learn from and something to measure on


def read_thumb_pairs(config: PairsConfig, up_weight: float, tokenizer: Tokenizer, block_size: int, seed: int) -> Pairs:
    """The thumbs in a file, and what its preferences say of single answers.

    up_weight: of a thumb up beside one down; 0: so that both kinds weigh alike. Raises ValueError in words if they are
    too few, all of one kind, or all too long.
    """
    found = read(config, tokenizer)
    thumbs = [thumb for thumb in found.as_thumbs if fits(tokenizer, thumb, block_size)]
    learned, held_out = split_thumbs(thumbs, found.name, config.val_share, seed)
    n_up, n_down = (sum(thumb.up == up for thumb in learned) for up in (True, False))
    train, val = (
        encode_thumbs(tokenizer, part, block_size, up_weight or n_down / n_up) for part in (learned, held_out)
    )
    left_out = [*found.recognised.sentences]
    if ties := sum(pair.tie for pair in found.pairs):
        left_out.append(f"{plural(ties, 'tie')} left out: it says of neither answer whether it is good")
    if long := len(found.as_thumbs) - len(thumbs):
        left_out.append(f"{plural(long, 'answer')} longer than the context of {block_size} tokens left out")
    ups = sum(thumb.up for thumb in thumbs)
    lineage = {"data": found.name, "sha256": found.digest, "thumbs": len(thumbs), "up": ups, "ties": ties}
    return Pairs(train, val, held_out, lineage, left_out)


def read(config: PairsConfig, tokenizer: Tokenizer) -> Feedback:
    if not config.data:
        raise ValueError("data is empty: give a file of thumbs or votes; `core votes thumbs` writes one")
    return read_feedback(config.data, config.skip_bad_lines, template_of(tokenizer).input_heading)


def fits(tokenizer: Tokenizer, thumb: Thumb, block_size: int) -> bool:
    return len(encode_answer(tokenizer, thumb.messages, thumb.answer).ids) <= block_size


def split_thumbs(thumbs: Sequence[Thumb], name: str, share: float, seed: int) -> tuple[list[Thumb], list[Thumb]]:
    """(to learn from, held out), by prompt. Thumbs of both kinds are learned from; ValueError if that cannot be."""
    ups = sum(thumb.up for thumb in thumbs)
    if len(thumbs) < FEWEST:
        raise ValueError(
            f"{name} holds {plural(len(thumbs), 'thumb')} that can be used: at least {FEWEST} are needed, so press "
            "more of them under answers in Chat"
        )
    if ups in (0, len(thumbs)):
        kind, other = ("up", "down") if ups else ("down", "up")
        raise ValueError(
            f"all {len(thumbs):,} thumbs of {name} point {kind}: KTO learns what is good from what is not, so press "
            f"some {other} as well"
        )
    prompts = list(dict.fromkeys(thumb.asked for thumb in thumbs))
    chance = random.Random(seed)
    chance.shuffle(prompts)
    wanted = max(1, round(share * len(prompts)))
    held_out: set[object] = set()
    for prompt in prompts:
        rest = {thumb.up for thumb in thumbs if thumb.asked not in held_out | {prompt}}
        if len(held_out) < wanted and len(rest) == 2:
            held_out.add(prompt)
    if not held_out:
        raise ValueError(
            f"the thumbs of {name} are on too few prompts: without any one of them, only one kind is left to learn "
            "from; press some on answers to other lines"
        )
    learned, measured = ([t for t in thumbs if (t.asked in held_out) == side] for side in (False, True))
    return learned, measured


def encode_thumbs(
    tokenizer: Tokenizer, thumbs: Sequence[Thumb], block_size: int, up_weight: float
) -> list[EncodedPair]:
    """Each with the answer of the thumb before it that fits behind its prompt."""
    weights = {True: max(1.0, up_weight), False: max(1.0, 1 / up_weight)}
    return [
        EncodedPair(
            encode_answer(tokenizer, thumb.messages, thumb.answer),
            other_answer(tokenizer, thumbs, at, block_size),
            float(thumb.up),
            weight=weights[thumb.up],
        )
        for at, thumb in enumerate(thumbs)
    ]


def other_answer(tokenizer: Tokenizer, thumbs: Sequence[Thumb], at: int, block_size: int) -> Example:
    """The prompt of a thumb with another one's answer; its own if none fits."""
    found = (
        encode_answer(tokenizer, thumbs[at].messages, thumbs[at - back].answer) for back in range(1, len(thumbs) + 1)
    )
    return next(example for example in found if len(example.ids) <= block_size)


def preview_thumbs(config: PairsConfig, parent: str) -> Preview:
    """Thumbs as the model at `parent` will meet them. Raises ValueError in words, as the training would."""
    tokenizer = with_template(Tokenizer.load(parent))
    block_size = read_config(Path(parent) / "config.json").block_size
    found = read(config, tokenizer)
    thumbs = [thumb for thumb in found.as_thumbs if fits(tokenizer, thumb, block_size)]
    split_thumbs(thumbs, found.name, config.val_share, seed=0)
    kinds = [[thumb for thumb in thumbs if thumb.up == up] for up in (True, False)]
    shown = [thumb for both in zip(*kinds, strict=False) for thumb in both][:SHOWN]
    examples = [encode_answer(tokenizer, thumb.messages, thumb.answer) for thumb in shown]
    lengths = [len(encode_answer(tokenizer, thumb.messages, thumb.answer).ids) for thumb in thumbs]
    return Preview(
        [
            *read_facts(found.recognised),
            ("thumbs", count_thumbs(thumbs)),
            ("longer than the context, left out", len(found.as_thumbs) - len(thumbs)),
        ],
        [
            show_example(tokenizer, example, "Good" if thumb.up else "Bad", at_most=len(example.ids))
            for example, thumb in zip(examples, shown, strict=True)
        ],
        "Only the answers count: a good one is to become likelier than by the parent, a bad one less likely, each by "
        "more than answers have moved in general.",
        found.recognised.sentences,
        mean_length=sum(lengths) / len(lengths),
        longest=max(lengths),
    )
