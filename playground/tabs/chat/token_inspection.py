"""Inspect a token: what a model will say next in a conversation, and why it said one."""

import threading
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from core.conversation import Conversation, context_of_next, crop_to_context
from core.generate import Sampling, context_start, distribution
from core.interpretability import activations
from core.model import GPT
from playground.services.checkpoints import Checkpoints, get_or_make

SHOWN = 10  # tokens of a distribution
ALTERNATIVES = 8  # to a token that was written
KEPT_LOGITS = 8  # of conversations, so that a slider's move costs no forward pass


class TokenInspector:
    def __init__(self, checkpoints: Checkpoints):
        self.checkpoints = checkpoints
        self.logits: dict[tuple[Any, ...], Tensor] = {}
        self.lock = threading.Lock()

    def next_token(
        self, name: str, conversation: Conversation, sampling: Sampling, dial: float = 1.0
    ) -> dict[str, Any]:
        """The distribution of the first token of the next answer, as the model has it and as it is drawn from.

        tokens: [bytes in hexadecimal, model's probability, probability of being drawn], the model's likeliest first;
        kept: how many tokens can be drawn; entropy: of both, in bits. dial: see `Checkpoints.load_dialled`.
        """
        loaded = self.checkpoints.load_dialled(name, dial)
        ids = crop_to_context(conversation.encode(loaded.tokenizer), loaded.model.config.block_size) or [
            loaded.tokenizer.eot
        ]
        with self.lock:
            key = (*self.checkpoints.key(name), dial, tuple(ids))
            logits = get_or_make(self.logits, key, lambda: last_logits(loaded.model, ids), KEPT_LOGITS)
        own = torch.softmax(logits, -1)[0]
        drawn = distribution(logits, [ids], sampling)[0]
        best = own.topk(min(SHOWN, len(own))).indices.tolist()
        return {
            "tokens": [[loaded.tokenizer.token_bytes(id).hex(), float(own[id]), float(drawn[id])] for id in best],
            "kept": int((drawn > 0).sum()),
            "of": len(own),
            "entropy": [entropy(own), entropy(drawn)],
        }

    def context(self, name: str, conversation: Conversation) -> dict[str, int]:
        """How full the context is: tokens said, those of them that are read, how many it holds, and how many first
        messages are not read at all.
        """
        loaded = self.checkpoints.load(name)
        said, size = len(conversation.encode(loaded.tokenizer)), loaded.model.config.block_size
        start = context_start(said, size)
        forgotten = sum(end <= start for end in conversation.ends(loaded.tokenizer))
        return {"said": said, "read": said - start, "size": size, "forgotten": forgotten}

    def look_inside(
        self, name: str, conversation: Conversation, written: Sequence[int], layer: int, head: int, dial: float = 1.0
    ) -> dict[str, Any]:
        """Why the last of the tokens `written` was chosen: what else could have come, where a head looked when it was
        predicted, and what each layer would have said.
        """
        loaded = self.checkpoints.load_dialled(name, dial)
        model, tokenizer = loaded.model, loaded.tokenizer
        prompt, chosen = conversation.encode(tokenizer), written[-1]
        ids = context_of_next(prompt, list(written[:-1]), model.config.block_size) or [tokenizer.eot]
        layer, head = min(layer, model.config.n_layer - 1), min(head, model.config.n_head - 1)
        seen = activations.trace(model, ids)
        weights = activations.steps(model, seen, layer, head, len(ids) - 1).weights
        layers = predictions_by_layer(model, seen)

        def hexes(some: Sequence[int]) -> list[str]:
            return [tokenizer.token_bytes(id).hex() for id in some]

        best = layers[-1].topk(min(ALTERNATIVES, layers.shape[-1]))
        ranked = best.indices.tolist()
        tops = layers.max(-1)
        return {
            "chosen": [chosen, hexes([chosen])[0], float(layers[-1, chosen])],
            "alternatives": list(zip(ranked, hexes(ranked), best.values.tolist(), strict=True)),
            "attention": list(zip(hexes(ids), weights.tolist(), strict=True)),
            "lens": list(
                zip(hexes(tops.indices.tolist()), tops.values.tolist(), layers[:, chosen].tolist(), strict=True)
            ),
            "layer": layer,
            "head": head,
            "shape": [model.config.n_layer, model.config.n_head],
        }


@torch.inference_mode()
def last_logits(model: GPT, ids: list[int]) -> Tensor:
    """For the token that follows `ids`: (1, V)."""
    logits: Tensor = model(torch.tensor([ids], device=model.device))[0]
    return logits[:, -1].float().cpu()


@torch.inference_mode()
def predictions_by_layer(model: GPT, seen: activations.Trace) -> Tensor:
    """The logit lens at the last position: probabilities (n_layer + 1, V), the embeddings first."""
    return torch.stack([activations.unembed(model, stream[-1]).softmax(-1) for stream in seen.residual]).cpu()


def entropy(probabilities: Tensor) -> float:
    """In bits."""
    return float(-(probabilities * probabilities.clamp(min=1e-30).log2()).sum())
