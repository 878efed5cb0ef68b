"""Memorization rate: how much of what a model writes is copied, at several temperatures, beside text it never saw.

A language in which much is said again and again copies itself: text that was held out, cut to the same lengths, says
how much of it stands in the training text by chance. The independent units are texts, not their tokens.
"""

from collections.abc import Sequence
from dataclasses import replace

from core.datasets.messages import message
from core.datasets.prompts import held_out_prompts
from core.datasets.shakespeare import Corpus
from core.evaluation.instructions import SIDE_BY_SIDE, reply_ids
from core.evaluation.memorization import copied_share
from core.evaluation.ngram_index import NGramIndex
from core.generate import Model, Sampling, batch
from core.tokenizer import Tokenizer

TEMPERATURES = (0.2, 0.6, 1.0)
TEXTS, LENGTH, PROMPT = 120, 64, 32  # how many, tokens of each at most, and those that a base model continues
ROOM = 12  # characters for a token: more than nearly all have


def memorization_rates(
    model: Model, tokenizer: Tokenizer, answers: bool, held_out: Corpus, indexes: Sequence[NGramIndex]
) -> dict[str, float]:
    """The share of tokens in copied spans: `copied/0.2` at that temperature, `copied/unseen` of text never seen.

    A model that answers is asked what stands in the held-out plays; another one continues the text that was `held_out`.
    Drawn from all tokens; `n/texts` and `n/texts/unseen` say of how many texts. Without `copied/unseen` where the
    held-out text is too short.
    """
    stretches = held_out_stretches(held_out, tokenizer, TEXTS)
    found: dict[str, float] = {}
    written: list[list[int]] = []
    for temperature in TEMPERATURES:
        sampling = Sampling(max_new_tokens=LENGTH, temperature=temperature, top_p=1.0)
        if answers:
            asked = [[message("user", prompt)] for prompt in held_out_prompts(TEXTS)]
            written = reply_ids(model, tokenizer, asked, sampling)
        else:
            prompts = [before for before, _ in stretches] or [[tokenizer.eot]] * TEXTS
            written = continuations(model, tokenizer, prompts, sampling)
        found[f"copied/{temperature:g}"] = copied_share(list(map(tokenizer.decode, written)), tokenizer, indexes)
    unseen = [tokenizer.decode(after[: len(ids)]) for (_, after), ids in zip(stretches, written, strict=False)]
    if unseen:
        found |= {"copied/unseen": copied_share(unseen, tokenizer, indexes), "n/texts/unseen": len(unseen)}
    return found | {"n/texts": len(written)}


def continuations(
    model: Model, tokenizer: Tokenizer, prompts: Sequence[list[int]], sampling: Sampling
) -> list[list[int]]:
    """What the model writes after each prompt, to the end of the text at most; number i is drawn with the seed + i."""
    written = []
    for first in range(0, len(prompts), SIDE_BY_SIDE):
        seeded = replace(sampling, seed=sampling.seed + first)
        written += batch(model, list(prompts[first : first + SIDE_BY_SIDE]), seeded, {tokenizer.eot})
    return written


def held_out_stretches(corpus: Corpus, tokenizer: Tokenizer, count: int) -> list[tuple[list[int], list[int]]]:
    """(at most PROMPT tokens, the LENGTH that follow) at the beginnings of lines, spread over what was held out.

    At most `count`, none of which overlap: fewer, or none, of a short text.
    """
    text = "\n\n".join(corpus.val)
    step = max((PROMPT + LENGTH) * ROOM, len(text) // (count + 1))
    found = []
    for begin in range(step, len(text), step):
        at = text.rfind("\n", begin - LENGTH, begin) + 1 or begin
        before = tokenizer.encode(text[at - PROMPT * ROOM : at])[-PROMPT:]
        after = tokenizer.encode(text[at : at + LENGTH * ROOM])[:LENGTH]
        if len(after) == LENGTH:
            found.append((before, after))
    return found[:count]
