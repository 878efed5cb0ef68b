"""The sizes of a model that is made anew, from seconds on a laptop to GPT-2's largest: each a shape and its recipe.

Big models take small steps on many tokens. `shape` holds settings of core.model.GPTConfig, `recipe` of a pre-training
(core.stages.pretrain.PretrainConfig); what is not named stays as it is there.
"""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """What the model is, and what suits it."""

    shape: dict[str, Any]
    recipe: dict[str, Any]


GPT2: dict[str, Any] = dict(tokenizer="gpt2", max_steps=2000, batch_size=32, dropout=0.1)
GPT2 |= dict(snapshots=0)  # a quarter of a gigabyte each

PRESETS = {
    "tiny": Preset(  # the shipped time-lapse: an induction head forms
        dict(n_layer=2, n_head=4, n_embd=64, block_size=128, vocab_size=512, activation_function="gelu"),
        dict(corpus="shakespeare-echo", max_steps=3000, batch_size=16, learning_rate=2e-2, eval_interval=250)
        | dict(save_interval=500, snapshots=7, save_dtype="float16"),
    ),
    "nano": Preset(
        dict(n_layer=4, n_head=4, n_embd=128, block_size=64, vocab_size=512, activation_function="gelu"),
        dict(max_steps=600, batch_size=16, learning_rate=1e-2, eval_interval=50, save_interval=100),
    ),
    "micro": Preset(
        dict(n_layer=4, n_head=4, n_embd=256, block_size=128, vocab_size=2048, activation_function="gelu"),
        dict(max_steps=3000, batch_size=16, learning_rate=5e-3),
    ),
    "bard": Preset(  # the shipped model
        dict(n_layer=6, n_head=6, n_embd=288, block_size=256, vocab_size=2048, activation_function="gelu"),
        dict(corpus="shakespeare", max_steps=2000, batch_size=16, learning_rate=4e-3, warmup_steps=50)
        | dict(eval_interval=200, save_interval=200, dropout=0.1, keep_best=True, save_dtype="float16", snapshots=0),
    ),
    "mini": Preset(
        dict(n_layer=6, n_head=6, n_embd=384, block_size=256, vocab_size=4096, activation_function="gelu"),
        dict(max_steps=5000, batch_size=32, learning_rate=3e-3, dropout=0.1),
    ),
    "gpt2": Preset(dict(n_layer=12, n_head=12, n_embd=768), GPT2 | dict(micro_batch_size=4, learning_rate=6e-4)),
    "gpt2-medium": Preset(
        dict(n_layer=24, n_head=16, n_embd=1024), GPT2 | dict(micro_batch_size=1, learning_rate=3e-4)
    ),
    "gpt2-large": Preset(
        dict(n_layer=36, n_head=20, n_embd=1280), GPT2 | dict(micro_batch_size=1, learning_rate=2.5e-4)
    ),
    "gpt2-xl": Preset(dict(n_layer=48, n_head=25, n_embd=1600), GPT2 | dict(micro_batch_size=1, learning_rate=2e-4)),
}
