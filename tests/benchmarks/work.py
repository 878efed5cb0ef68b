"""What is timed. Each function prepares one contender's work and returns it; `contest` runs it in a process of its own.

Shapes: B batch, T tokens.
"""

import copy
import importlib.util
import logging
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import core.model
from core import checkpoint, dropout, generate, huggingface
from core.classifier import SequenceClassifier
from core.generate import Sampling
from core.linear_cross_entropy import linear_cross_entropy
from core.model import GPT, GPTConfig
from core.packed_model import PackedGPT
from core.rlhf.policy import Policy
from core.stages.ppo import PPO, PPOConfig
from core.stages.ppo import RECIPE as PPO_RECIPE
from core.tokenizer import Tokenizer
from core.training.device import autocast
from core.training.loop import FitConfig, finite, fit, optimizers_of
from core.training.optimizer import take_step

Work = Callable[[], Any]
CHAT = Path(__file__).parents[2] / "checkpoints" / "bard-chat"


# --- training -------------------------------------------------------------------------------------------------


def batch_of(config: GPTConfig, B: int, device: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(config.vocab_size, (B, config.block_size + 1), generator=generator).to(device)


def our_training(config: GPTConfig, B: int, device: str) -> Work:
    torch.manual_seed(0)
    model = GPT(config).to(device).train()
    optimizers = optimizers_of(model, FitConfig(optimizer="adamw"))
    batch = batch_of(config, B, device)

    def step(tokens: int | None = None) -> float:
        inputs, targets = batch[:, :-1][:, :tokens], batch[:, 1:][:, :tokens].contiguous()
        with autocast(model.device, "auto"):
            loss = model.summed_loss(inputs, targets) / targets.numel()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        value, _ = finite(1, {"the loss": loss, "the gradient norm": norm})
        take_step(optimizers, 1e-3)
        return value

    return step


def transformers_model(config: GPTConfig, device: str) -> Any:
    """Hugging Face's GPT-2 of the same shape, with fused attention, and our initial weights."""
    import transformers  # noqa: PLC0415

    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity_error()
    theirs = transformers.GPT2Config(
        **{name: getattr(config, name) for name in ("n_layer", "n_head", "n_embd", "vocab_size")},
        n_positions=config.block_size,
        activation_function=config.activation_function,
        **dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), config.dropout),
        **dict.fromkeys(("bos_token_id", "eos_token_id"), 0),
        attn_implementation="sdpa",
    )
    torch.manual_seed(0)
    weights = huggingface.huggingface_tensors(GPT(config))
    model = transformers.GPT2LMHeadModel(theirs)
    model.load_state_dict(weights | {"lm_head.weight": weights["transformer.wte.weight"]})
    return model.to(device)


def transformers_training(config: GPTConfig, B: int, device: str, compiled: bool = False) -> Work:
    model = transformers_model(config, device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    batch = batch_of(config, B, device)[:, :-1]
    run = torch.compile(model) if compiled else model

    def step(tokens: int | None = None) -> float:
        ids = batch[:, :tokens]
        with autocast(torch.device(device), "auto"):
            loss = run(input_ids=ids, labels=ids).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def nanogpt_module(model_file: Path) -> Any:
    spec = importlib.util.spec_from_file_location("nanogpt_model", model_file)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def nanogpt_training(config: GPTConfig, B: int, device: str, model_file: Path, compiled: bool = False) -> Work:
    theirs = nanogpt_module(model_file)
    shape = {name: getattr(config, name) for name in ("block_size", "n_layer", "n_head", "n_embd")}
    vocab_size = config.vocab_size if config.vocab_size < 1000 else config.padded_vocab_size  # as its scripts do
    settings = theirs.GPTConfig(**shape, vocab_size=vocab_size, dropout=config.dropout, bias=False)
    model = theirs.GPT(settings).to(device).train()
    optimizer = model.configure_optimizers(0.1, 1e-3, (0.9, 0.99), device)
    batch = batch_of(config, B, device)
    run = torch.compile(model) if compiled else model

    def step() -> float:
        with autocast(torch.device(device), "auto"):
            _, loss = run(batch[:, :-1].contiguous(), batch[:, 1:].contiguous())
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return step


def peak_memory(training: Callable[[GPTConfig, int, str], Any], config: GPTConfig, B: int, device: str) -> Work:
    """Bytes at the peak of a training step, the optimiser's state included, above what the bare process holds."""
    before = resident_bytes()
    step = training(config, B, device)
    step(16)  # makes the optimiser's state

    def measured() -> int:
        if device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        step()
        return torch.cuda.max_memory_allocated() if device == "cuda" else peak_resident_bytes() - before

    return measured


def resident_bytes() -> int:
    """Linux only, as is the benchmark of memory on a CPU."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak_resident_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


# --- generation -----------------------------------------------------------------------------------------------

PROMPT, NEW = 64, 128


def prompts_for(config: GPTConfig, B: int) -> list[list[int]]:
    return torch.randint(config.vocab_size, (B, PROMPT), generator=torch.Generator().manual_seed(0)).tolist()


def our_generation(config: GPTConfig, B: int, device: str, precision: str | None) -> Work:
    """precision None: the model as it is, unpacked."""
    torch.manual_seed(0)
    model = GPT(config).to(device).eval()
    writer = model if precision is None else PackedGPT(model, precision)
    prompts, sampling = prompts_for(config, B), Sampling(max_new_tokens=NEW, temperature=0)
    return lambda: generate.batch(writer, prompts, sampling)


def transformers_generation(
    config: GPTConfig, B: int, device: str, dtype: torch.dtype = torch.float32, compiled: bool = False
) -> Work:
    model = transformers_model(config, device).eval().to(dtype)
    ids = torch.tensor(prompts_for(config, B), device=device)
    options: dict[str, Any] = dict(max_new_tokens=NEW, do_sample=False, pad_token_id=0, eos_token_id=None)
    if compiled:
        options["cache_implementation"] = "static"  # with which it compiles its step by itself, on a GPU
    return lambda: model.generate(ids, attention_mask=torch.ones_like(ids), **options)[:, PROMPT:].tolist()


def precision_costs(directory: Path, text: str) -> dict[str, float]:
    """Bits per byte that each precision adds on `text`, for the checkpoint in `directory`."""
    loaded = checkpoint.load(directory)
    size, ids = loaded.model.config.block_size, loaded.tokenizer.encode(text)
    blocks = torch.tensor(ids[: len(ids) // size * size]).view(-1, size)
    n_bytes = len(loaded.tokenizer.decode_bytes(blocks.flatten().tolist()))

    def bits(model: GPT | PackedGPT) -> float:
        with torch.inference_mode():
            logits = torch.cat([model(part)[0] for part in blocks.split(8)])
            nats = F.cross_entropy(logits[:, :-1].flatten(0, 1), blocks[:, 1:].flatten(), reduction="sum").item()
        return nats / 0.6931471805599453 / n_bytes

    exact = bits(loaded.model)
    return {precision: bits(PackedGPT(loaded.model, precision)) - exact for precision in ("float32", "float16", "int8")}


# --- preference training --------------------------------------------------------------------------------------


def ppo_iteration(device: str) -> Work:
    """PPO of the shipped chat model, as its form has it, on a reward model that knows nothing and prompts by chance."""
    chat = checkpoint.load(CHAT, device)
    config = PPOConfig(kl_stop=0, fit=FitConfig(**(PPO_RECIPE | {"max_steps": 1000})))
    reward_model = SequenceClassifier.from_language_model(chat.model, ["reward"], seed=0)
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(10, 30, (500,), generator=generator).tolist()
    prompts = [torch.randint(chat.tokenizer.eot, (length,), generator=generator).tolist() for length in lengths]
    policy = Policy(copy.deepcopy(chat.model), config.temperature)
    ppo = PPO(config, policy, chat.model, reward_model, chat.tokenizer, prompts)
    steps = fit(policy, ppo.batches, ppo.loss, config.fit, prefetch=False, after_step=ppo.adapt)
    return lambda: [next(steps).loss for _ in range(config.steps_an_iteration)]


# --- torch's own ----------------------------------------------------------------------------------------------


def cross_entropy(config: GPTConfig, N: int, device: str, options: str | None) -> Work:
    """The head and its loss, N rows forward and backward. options: None for ours, else which of torch's two."""
    torch.manual_seed(0)
    V, targets = config.vocab_size, torch.randint(config.vocab_size, (N,), device=device)
    x = torch.randn(N, config.n_embd, device=device, requires_grad=True)
    head = (torch.randn(config.padded_vocab_size, config.n_embd, device=device) * 0.02).requires_grad_()
    in_pieces = torch.nn.LinearCrossEntropyOptions() if options == "in pieces" else None

    def step() -> float:
        x.grad = head.grad = None
        if options is None:
            with autocast(torch.device(device), "auto"):
                loss = linear_cross_entropy(x, head, targets, V)
        else:  # in the precision of a run, to which nothing takes it by itself
            dtype = torch.bfloat16 if device == "cuda" else torch.float32
            loss = F.linear_cross_entropy(x.to(dtype), head[:V].to(dtype), targets, reduction="sum", options=in_pieces)
        loss.backward()
        return loss.item()

    return step


def muon(config: GPTConfig, device: str, ours: bool) -> Work:
    """A step of Muon on the matrices of a model's blocks."""
    torch.manual_seed(0)
    model = GPT(config).to(device)
    if ours:
        optimizer = optimizers_of(model, FitConfig(optimizer="muon"))[1]
        matrices = [p for group in optimizer.param_groups for p in group["params"]]
    else:
        matrices = [p for p in model.transformer.h.parameters() if p.dim() == 2]
        optimizer = torch.optim.Muon(matrices, adjust_lr_fn="match_rms_adamw")
    for p in matrices:
        p.grad = torch.randn_like(p)

    def step() -> float:
        optimizer.step()
        return matrices[-1][0, 0].item()

    return step


def passes(config: GPTConfig, B: int, device: str, ours: bool) -> Work:
    """A batch forward and backward, without the optimiser's step; with torch's own dropout if not with ours."""
    if not ours:
        dropout.draws_here = core.model.draws_here = lambda x: False
    torch.manual_seed(0)
    model, batch = GPT(config).to(device).train(), batch_of(config, B, device)

    def both() -> float:
        loss = model.summed_loss(batch[:, :-1], batch[:, 1:])
        loss.backward()
        model.zero_grad()
        return loss.item()

    return both


# --- tokenizer ------------------------------------------------------------------------------------------------


def our_bpe(text: str, vocab_size: int) -> Work:
    return lambda: Tokenizer.train(text, vocab_size).vocab_size


def tokenizers_bpe(text: str, vocab_size: int) -> Work:
    from tokenizers import Tokenizer as Theirs  # noqa: PLC0415
    from tokenizers import models, pre_tokenizers, trainers  # noqa: PLC0415

    def train() -> int:
        tokenizer = Theirs(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)  # type: ignore[assignment]
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
        tokenizer.train_from_iterator([text], trainer)
        return tokenizer.get_vocab_size()

    return train


def our_encoding(text: str) -> Work:
    tokenizer = Tokenizer.gpt2()
    return lambda: len(tokenizer.encode(text))


def tokenizers_encoding(text: str, directory: Path) -> Work:
    from tokenizers import Tokenizer as Theirs  # noqa: PLC0415

    Tokenizer.gpt2().save(directory)
    tokenizer = Theirs.from_file(str(directory / "tokenizer.json"))
    return lambda: len(tokenizer.encode(text).ids)


# --- the machine ----------------------------------------------------------------------------------------------


def matrix_product(device: str) -> Work:
    """FLOP/s of a large matrix product, in the precision that training uses."""
    n, dtype = (8192, torch.bfloat16) if device == "cuda" else (2048, torch.float32)
    a, b = (torch.randn(n, n, device=device, dtype=dtype) for _ in range(2))
    return lambda: 2 * n**3 / fastest(lambda: (a @ b)[0, 0].item())


def memory_read(device: str) -> Work:
    """Bytes a second at which a large tensor is read."""
    x = torch.randn(2**26, device=device)
    return lambda: 4 * len(x) / fastest(lambda: x.sum().item())


def fastest(work: Work, rounds: int = 10) -> float:
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - began)
    return min(seconds)
