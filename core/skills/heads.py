"""Skills of heads: a head comes to look at the token just before, at copies of the token, or behind them.

Looked for on random tokens said twice, where nothing but looking can help (core/interpretability/head_patterns.py).
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.interpretability.activations import attention
from core.interpretability.head_patterns import CLEAR, PATTERNS, even_to_perfect, repeated_tokens
from core.model import GPT
from core.skills.skill import Seen, Skill, Which

DRAWS = 4  # of random tokens, over which scores are averaged
HEAD_SKILLS = {
    name: Skill(name, PATTERNS[name].title, f"A head {PATTERNS[name].about}.", falls, CLEAR, CLEAR / 2)
    for name, falls in (
        ("previous", "the token just before"),
        ("duplicate", "earlier copies of the same token"),
        ("induction", "what followed earlier copies of the same token"),
    )
}


def score_heads(model: GPT) -> dict[str, Tensor]:
    """For each head skill: 0 for a head that looks at everything alike, 1 for one that does only this, (L, nh)."""
    found: dict[str, list[Tensor]] = {name: [] for name in HEAD_SKILLS}
    for seed in range(DRAWS):
        ids = repeated_tokens(model.config.vocab_size, model.config.block_size, seed)
        scores = even_to_perfect(attention(model, ids).cpu(), ids)
        for name, seen in found.items():
            if name in scores:
                seen.append(scores[name])
    return {name: torch.stack(seen).mean(0) for name, seen in found.items() if seen}


def seen_heads(step: int, scores: dict[str, Sequence[Sequence[float]]]) -> dict[Which, list[Seen]]:
    """Each head's skills, as one evaluation has scored them."""
    return {
        Which(name, (layer, head)): [Seen(step, score, score, score)]
        for name, rows in scores.items()
        for layer, row in enumerate(rows)
        for head, score in enumerate(row)
    }
