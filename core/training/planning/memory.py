"""How much memory a training will take, before it takes it; and what to change so that it fits.

Counted, not tried out: each line says which operation keeps what. Tests hold the result against what PyTorch keeps
and against the peak of real steps. With torch.compile the blocks keep less than is counted here.

Shapes: B batch, T time (tokens), C n_embd, nh heads, L blocks (n_layer), W rows of the head (V and its padding).
"""

import math
from dataclasses import dataclass, replace

import torch

from core.dropout import score_pieces
from core.linear_cross_entropy import SMALL_VOCABULARY, piece_rows
from core.model import GPTConfig
from core.training.device import in_bfloat16
from core.training.loop import FitConfig
from core.training.optimizer import STACK

FLOAT, HALF = 4, 2  # bytes of a float32 and of a bfloat16
GIB = 2**30
# Of a budget: what is freed comes back in blocks that do not always fit what is asked for next. CUDA's allocator wastes
# a tenth; malloc keeps small blocks for later, and of a plan of 500 MB a process was seen to grow by 740.
USABLE = {"cuda": 0.9, "cpu": 0.65}
CUDA_CONTEXT = 0.6 * GIB  # the driver's and the kernels' own, which no allocator counts
ENOUGH_TOKENS = 1024  # in a micro-batch keep a device busy: a larger one is no longer worth a recomputation


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes of each part, and of the fullest moment of a step: less than their sum, since not all are there at once."""

    weights: int
    gradients: int
    optimizer: int  # what it remembers of past gradients
    activations: int  # what the forward pass keeps for the backward pass
    copies: int  # the blocks' weights in bfloat16, which autocast makes
    gathered: int  # of a model in shards: the layers that are whole for the moment, and their gradients
    logits: int  # the head's work: as many logits as exist at once, and their gradients
    peak: int


def plan(model: GPTConfig, fit: FitConfig, device: str, processes: int = 1) -> MemoryPlan:
    """What `core.training.loop.fit` needs for this model in each of the processes; `device` is "cpu" or "cuda"."""
    if device not in ("cpu", "cuda"):
        raise ValueError(f"memory is planned for cpu and cuda, not for {device}")
    T, C, L = model.block_size, model.n_embd, model.n_layer
    B = micro_batch_size(fit, processes)
    replicas, shards = processes > 1 and not fit.shard, processes > 1 and fit.shard
    number = HALF if in_bfloat16(torch.device(device), fit.dtype) else FLOAT
    matrices = L * 12 * C**2  # weights that Muon trains, and that autocast copies
    head = FLOAT * model.padded_vocab_size * C
    weights = gradients = FLOAT * n_weights(model)
    optimizer = 2 * weights  # AdamW: averages of the gradient and of its square
    if fit.optimizer == "muon":
        optimizer -= FLOAT * matrices  # Muon: of the gradient only
    copies = HALF * matrices if number == HALF else 0

    residual = FLOAT * B * T * C  # one state of the residual stream: float32 under autocast too
    block = block_activations(model, B, number, device)
    kept = residual if fit.recompute else block
    ends = residual + 2 * FLOAT * B * T + embedding_dropout(model, B)  # and the input of the last layer norm
    logits = logits_bytes(model, B * T, number, device)
    several = replicas or math.ceil(fit.batch_size / processes) > B
    earlier = gradients if several else 0  # of the micro-batches before this one, and where replicas sum them

    # The fullest moment is one of these. Backward through a block, `done` blocks after the first one: it frees what
    # they kept and leaves their gradients, so all depends on which is larger, and the middle is never the fullest.
    def backward(done: int) -> int:
        left = (L - done) * kept + (block - kept) * fit.recompute + ends
        casts = copies // L if fit.recompute else copies * (L - done) // L
        made = earlier or FLOAT * 12 * C**2 * done
        return left + casts + made + head + backward_workspace(model, B, number, device)

    # The piecewise loss makes the gradients of its input and of the head. A tied head's waits to be added to that of
    # the embedding, the last to come.
    loss = L * kept + ends + copies + earlier + head + 2 * residual + logits
    embedding = gradients + head * (model.tie_word_embeddings + several)
    # AdamW moves first and forgets its gradients; those of the matrices are still there when Muon moves.
    left = gradients if replicas else FLOAT * matrices
    muon = left + muon_workspace(model, device) if fit.optimizer == "muon" else 0
    peak = weights + optimizer + max(loss, backward(0), backward(L - 1), embedding, muon)
    activations = L * kept + (block - kept) * fit.recompute + ends
    gathered = 0
    if shards:
        whole, gathered = weights, gathered_layers(model)
        weights, gradients, optimizer = (math.ceil(size / processes) for size in (weights, gradients, optimizer))
        training = gradients + gathered + activations + copies + 2 * residual + logits
        peak = weights + optimizer + max(training + backward_workspace(model, B, number, device), whole)
    return MemoryPlan(weights, gradients, optimizer, activations, copies, gathered, logits, peak)


def gathered_layers(model: GPTConfig) -> int:
    """Bytes of what FSDP makes whole: what stands outside the blocks, and two blocks, one computes and one is coming;
    weights and gradients, and the buffer of one gathering and one sum.
    """
    blocks = FLOAT * model.n_layer * 12 * model.n_embd**2
    outside = FLOAT * n_weights(model) - blocks
    return 3 * outside + 6 * blocks // model.n_layer


def micro_batch_size(fit: FitConfig, processes: int = 1) -> int:
    """Sequences that each process has in memory at once."""
    share = math.ceil(fit.batch_size / processes)
    return min(fit.micro_batch_size or share, share)


def n_weights(model: GPTConfig) -> int:
    """Numbers in memory: the vocabulary's padding is there too."""
    padding = (model.padded_vocab_size - model.vocab_size) * model.n_embd
    return model.n_params + padding * (1 if model.tie_word_embeddings else 2)


def block_activations(model: GPTConfig, B: int, number: int, device: str) -> int:
    """Bytes that one block keeps for its backward pass; `number` is the size of what is multiplied."""
    C, T, nh = model.n_embd, model.block_size, model.n_head
    norms = 2 * (FLOAT * C + 2 * FLOAT)  # both layer norms: input, and its mean and spread
    linear_inputs = number * (C + C + C + 4 * C)  # of c_attn, attention's c_proj (its output too), c_fc, MLP's c_proj
    gelu_input = number * 4 * C
    qkv, attention = number * 3 * C, FLOAT * nh  # the fused attention: q, k, v and the logarithm of each softmax's sum
    dropout = 0
    if model.dropout:
        dropout = 2 * C  # of both halves of the block: for every number, whether it stayed
        if device == "cpu":  # in float32, and of each score its softmax, whether that stayed, and what is left of it
            scores = sum((end - start) * end for start, end in score_pieces(T))
            qkv, attention = FLOAT * 3 * C, (2 * FLOAT + 1) * nh * scores // T
    return B * T * (norms + linear_inputs + gelu_input + qkv + attention + dropout)


def embedding_dropout(model: GPTConfig, B: int) -> int:
    return B * model.block_size * model.n_embd if model.dropout else 0


def backward_workspace(model: GPTConfig, B: int, number: int, device: str) -> int:
    """Gradients that the MLP holds beside all that is kept: of the residual stream, and of one inner state (4C)."""
    rows = B * model.block_size
    mlp = rows * model.n_embd * (FLOAT + 4 * number)
    start, end = score_pieces(model.block_size)[-1]
    scores = FLOAT * B * model.n_head * (end - start) * end if model.dropout and device == "cpu" else 0
    return max(mlp, 2 * scores)


def logits_bytes(model: GPTConfig, rows: int, number: int, device: str) -> int:
    """What core.linear_cross_entropy holds at its fullest, the gradients that it returns aside."""
    W, C = model.padded_vocab_size, model.n_embd
    if model.vocab_size <= SMALL_VOCABULARY:
        return 3 * FLOAT * rows * W  # logarithms of the probabilities, their gradient, and that of the logits
    if device == "cuda":  # compiled: logits, their gradient, and what is multiplied in bfloat16
        casts = HALF * (W + rows) * C if number == HALF else 0
        return 2 * number * min(rows, piece_rows(W, number, device)) * W + casts
    logits = FLOAT * min(rows, piece_rows(W, None, device)) * W
    if number == FLOAT:
        return 2 * logits  # and their logarithms
    # All that, each made in bfloat16 first, and the head in bfloat16; towards the end also its gradient.
    return HALF * W * C + 5 * logits // 2 + HALF * W * C


def muon_workspace(model: GPTConfig, device: str) -> int:
    """What core.training.optimizer.Muon holds for its largest stack beside weights, momentum and gradients."""
    C = model.n_embd
    largest = 0
    for numbers, square in ((3 * C**2, 1.0), (C**2, 1.0), (4 * C**2, 0.25)):  # c_attn; c_proj; c_fc and MLP's c_proj
        stack = numbers * min(model.n_layer, max(1, STACK // numbers))
        # Gradients ahead; x before and after a round; x x.T (`square`) and its polynomial.
        on_cpu = FLOAT * (3 + 2 * square)
        on_gpu = 2 * FLOAT + HALF * (1 + 2 * square)  # at the end, as x becomes float32; until then all is bfloat16
        bytes_of_one = on_gpu if device == "cuda" else on_cpu
        largest = max(largest, math.ceil(stack * bytes_of_one))
    return largest


def usable_bytes(budget_gb: float, device: str) -> float:
    """Bytes of the budget that a plan may fill."""
    return USABLE[device] * budget_gb * GIB - (CUDA_CONTEXT if device == "cuda" else 0)


def suggest(model: GPTConfig, fit: FitConfig, device: str, budget_gb: float, processes: int = 1) -> FitConfig:
    """`fit` with the largest micro-batch (halved from batch_size) that fits into this many GiB; the same gradients.

    Recomputation only where without it not even ENOUGH_TOKENS fit. ValueError if nothing fits.
    """
    if not 0 < budget_gb < math.inf:
        raise ValueError(f"budget_gb must be a number above 0, got {budget_gb}")
    room = usable_bytes(budget_gb, device)
    plain = largest_that_fits(model, replace(fit, recompute=False), device, room, processes)
    again = largest_that_fits(model, replace(fit, recompute=True), device, room, processes)
    if plain and again and plain.micro_batch_size < again.micro_batch_size:
        return plain if plain.micro_batch_size * model.block_size >= ENOUGH_TOKENS else again
    if found := plain or again:
        return found
    needs = plan(model, replace(fit, micro_batch_size=1, recompute=True), device, processes).peak
    raise ValueError(
        f"a sequence of {model.block_size} tokens needs {needs / GIB:.2f} GiB even with recompute, and of "
        f"{budget_gb:.2f} GiB {max(room, 0) / GIB:.2f} can be filled: choose a smaller block_size or model"
    )


def largest_that_fits(
    model: GPTConfig, fit: FitConfig, device: str, room: float, processes: int = 1
) -> FitConfig | None:
    size = math.ceil(fit.batch_size / processes)
    while size:
        smaller = replace(fit, micro_batch_size=size)
        if plan(model, smaller, device, processes).peak <= room:
            return smaller
        size //= 2
    return None
