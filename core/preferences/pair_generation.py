"""Pairs of answers to vote on: two samples of one model, or one answer from each of two."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice

from core.chat_template import encode_prompt, turn_ends
from core.datasets.prompts import every_learning_prompt
from core.generate import Model, Sampling, batch
from core.preferences.rule_annotators import annotator_of, prefer, rule_of
from core.preferences.vote_store import Answer, NewPair, Votes
from core.tokenizer import Tokenizer

ATTEMPTS = 3  # at two answers that are there and differ
AT_ONCE = 64  # prompts, where many pairs are made
PAIR_SAMPLING = Sampling(max_new_tokens=64, temperature=1.0, top_p=1.0)  # as it is, so that answers differ


@dataclass(frozen=True)
class Writer:
    """A model that answers, what its checkpoint is called, and which version of it this is (core/online_dpo.py).

    dial: how much it has of what the checkpoint learned since its parent (core/task_arithmetic.py).
    """

    model: Model
    tokenizer: Tokenizer
    name: str
    version: int = 0
    dial: float = 1.0


def answer_pairs(
    first: Writer, second: Writer, prompts: Sequence[str], sampling: Sampling, seed: int
) -> list[tuple[str, Answer, Answer]]:
    """(prompt, answer of `first`, answer of `second`); the same writer twice gives two different samples.

    Answer number i is what `core.evaluation.instructions.replies` gives for that prompt alone with the answer's seed.
    Prompts that get twice the same answer, or an empty one, in all of ATTEMPTS are left out. Raises ValueError for a
    prompt that leaves no room in a context, and for a vocabulary that cannot say whose turn it is.
    """
    found: dict[int, tuple[str, Answer, Answer]] = {}
    chance = random.Random(seed)
    for _ in range(ATTEMPTS):
        missing = [number for number in range(len(prompts)) if number not in found]
        if not missing:
            break
        asked = [prompts[number] for number in missing]
        left = answers(first, asked, sampling, chance.randrange(2**40))
        right = answers(second, asked, sampling, chance.randrange(2**40))
        for number, a, b in zip(missing, left, right, strict=True):
            if a.text and b.text and a.text != b.text:
                found[number] = (prompts[number], a, b)
    return [found[number] for number in sorted(found)]


def answers(writer: Writer, prompts: Sequence[str], sampling: Sampling, seed: int) -> list[Answer]:
    """One answer to each prompt, written side by side; number i is drawn with `seed + i`."""
    block_size = writer.model.config.block_size
    asked = [encode_prompt(writer.tokenizer, [{"role": "user", "content": prompt}]) for prompt in prompts]
    for prompt, ids in zip(prompts, asked, strict=True):
        if len(ids) >= block_size:
            raise ValueError(
                f"a prompt of {len(ids)} tokens leaves no room for an answer in the context of {writer.name}, "
                f"{block_size}: shorten the one that begins with {prompt[:40]!r}"
            )
    written = batch(writer.model, asked, replace(sampling, seed=seed), turn_ends(writer.tokenizer))
    texts = [replace_surrogates(writer.tokenizer.decode(ids)).strip() for ids in written]
    kind = writer.version, writer.dial
    return [Answer(text, writer.name, seed + number, *kind) for number, text in enumerate(texts)]


def replace_surrogates(text: str) -> str:
    """Without lone surrogates, which a model may write but no file or database takes: they become U+FFFD."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def shuffle_sides(
    pairs: Sequence[tuple[str, Answer, Answer]], sampling: Sampling, source: str, chance: random.Random
) -> list[NewPair]:
    """As they will be seen: which answer stands left is drawn, so that the side tells nothing."""
    sides = [(prompt, a, b) if chance.random() < 0.5 else (prompt, b, a) for prompt, a, b in pairs]
    return [NewPair(prompt, left, right, asdict(sampling), source) for prompt, left, right in sides]


def simulate(
    votes: Votes,
    writer: Writer,
    rule_name: str,
    count: int,
    sampling: Sampling,
    seed: int,
) -> Iterator[int]:
    """Let a rule vote on `count` pairs by `writer`, answers to lines from the plays; yields how many it has voted on.

    Pairs that the rule cannot tell apart are passed over, so every vote is decided; so are those on which it has voted
    before, with the same seed. Ends early if the prompts run out.
    """
    rule, annotator = rule_of(rule_name), annotator_of(rule_name)
    known = {pair_content(vote.pair) for vote in votes.standing(annotator)}
    prompts = every_learning_prompt(seed)
    chance, voted, seed_of_answers = random.Random(seed), 0, seed
    while asked := list(islice(prompts, AT_ONCE)):
        found = answer_pairs(writer, writer, asked, sampling, seed_of_answers)
        seed_of_answers += AT_ONCE
        pairs = [p for p in shuffle_sides(found, sampling, "rule", chance) if pair_content(p) not in known]
        choices = [prefer(rule, pair.left.text, pair.right.text) for pair in pairs]
        decided = [(pair, c) for pair, c in zip(pairs, choices, strict=True) if c != "tie"][: count - voted]
        votes.add_voted([pair for pair, _ in decided], [choice for _, choice in decided], annotator)
        voted += len(decided)
        yield voted
        if voted == count:
            return


def pair_content(pair: NewPair) -> tuple[str, frozenset[Answer]]:
    """A pair whichever way round it stands."""
    return pair.prompt_text, frozenset((pair.left, pair.right))
