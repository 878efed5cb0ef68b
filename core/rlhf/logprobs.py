"""Log-probabilities of answers, and Bradley-Terry's of which of two wins: what preference learning is made of.

Shapes: B texts, T tokens, N targets that count, C n_embd, V vocab_size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT


def token_logprobs(model: GPT, inputs: Tensor, targets: Tensor, temperature: float = 1.0) -> Tensor:
    """Log-probability in nats of each target (B, T) after inputs (B, T); 0 where a target is IGNORE_INDEX.

    temperature: at which tokens are drawn; the logits are divided by it, as they are for the draw.
    """
    return logprobs_of(model, model.hidden(inputs), targets, temperature)


def logprobs_of(model: GPT, x: Tensor, targets: Tensor, temperature: float = 1.0) -> Tensor:
    """The same, from what the model's transformer made of the inputs: x (B, T, C).

    Logits are made only where a target counts: in a batch of questions and answers that is the smaller part.
    """
    counts = targets != IGNORE_INDEX
    likely = -F.cross_entropy(logits_of(model, x[counts], temperature), targets[counts], reduction="none")
    return torch.zeros(targets.shape, device=x.device).masked_scatter(counts, likely)


def logits_of(model: GPT, x: Tensor, temperature: float) -> Tensor:
    """(N, V), of what the transformer made of some inputs: x (N, C)."""
    logits: Tensor = model.lm_head(x / temperature)  # it has no bias
    return logits[:, : model.config.vocab_size].float()


def logprobs_and_entropy(
    model: GPT, inputs: Tensor, targets: Tensor, temperature: float = 1.0
) -> tuple[Tensor, Tensor]:
    """`token_logprobs`, and the entropy in nats of the distribution from which each target was drawn, (B, T) each.

    The entropy is to be looked at: no gradient flows through it.
    """
    counts = targets != IGNORE_INDEX
    logits = logits_of(model, model.hidden(inputs)[counts], temperature)  # (N, V)
    likely = -F.cross_entropy(logits, targets[counts], reduction="none")
    with torch.no_grad():
        every = logits.log_softmax(1)
        entropy = -(every.exp() * every).sum(1)
    empty = torch.zeros(targets.shape, device=inputs.device)
    return empty.masked_scatter(counts, likely), empty.masked_scatter(counts, entropy)


def answer_logprobs(model: GPT, inputs: Tensor, targets: Tensor) -> Tensor:
    """Log-probability in nats of all targets of a text together, (B,): their sum, which is what DPO is about."""
    return token_logprobs(model, inputs, targets).sum(1)


def bradley_terry(margins: Tensor, outcomes: Tensor) -> Tensor:
    """Cross-entropy in nats of who wins, where the first one is ahead by `margins` (any shape).

    -(y log sigmoid(m) + (1 - y) log sigmoid(-m)): Bradley & Terry 1952, by which the first one wins with probability
    sigmoid(m). outcomes y: 1 if it won, 1/2 for a tie (then a margin of 0 is best), anything between for doubtful
    labels.
    """
    return -(outcomes * F.logsigmoid(margins) + (1 - outcomes) * F.logsigmoid(-margins))


def ranked_right(margins: Tensor, outcomes: Tensor) -> Tensor:
    """Is the winner ahead? 1 or 0, any shape; a half where nobody won, and where the two are equal."""
    ahead = (margins > 0).float() + 0.5 * (margins == 0)
    return torch.where(outcomes == 1, ahead, 0.5)
