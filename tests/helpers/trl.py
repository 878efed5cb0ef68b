"""TRL's own trainers on our directories as they are: nothing is told them but where the model lies."""

import json
import logging
import os
import warnings
from pathlib import Path
from typing import Any

from core.datasets.preference_files import Preference, write_preferences

QUIET: dict[str, Any] = dict(use_cpu=True, bf16=False, report_to="none", save_strategy="no")


def trl_trainer(stage: str, parent: Path, pairs: list[Preference], output: Path, **options: Any) -> Any:
    """TRL's trainer of a checkpoint, `stage` dpo or reward, in float32 on the CPU, on exported votes."""
    write_preferences(output.with_suffix(".jsonl"), pairs)
    lines = output.with_suffix(".jsonl").read_text(encoding="utf-8").split("\n")
    made = trainer_of(stage, parent, [json.loads(line) for line in lines if line], output, **options)
    made.current_gradient_accumulation_steps = 1  # train() would set it
    return made


def trainer_of(stage: str, parent: Path, rows: list[dict[str, Any]], output: Path, **options: Any) -> Any:
    """TRL's trainer `stage` of the model in `parent`: sft, dpo, kto, cpo, orpo, reward, grpo or rloo."""
    os.environ["TQDM_DISABLE"] = "1"
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    import datasets  # noqa: PLC0415 (with TRL, and only the extra `oracle` brings it)
    import transformers  # noqa: PLC0415
    import trl  # noqa: PLC0415
    from trl.experimental.cpo import CPOConfig, CPOTrainer  # noqa: PLC0415
    from trl.experimental.orpo import ORPOConfig, ORPOTrainer  # noqa: PLC0415

    datasets.disable_progress_bars()
    transformers.logging.disable_progress_bar()
    kinds = {
        "sft": (trl.SFTTrainer, trl.SFTConfig),
        "dpo": (trl.DPOTrainer, trl.DPOConfig),
        "kto": (trl.KTOTrainer, trl.KTOConfig),
        "cpo": (CPOTrainer, CPOConfig),
        "orpo": (ORPOTrainer, ORPOConfig),
        "reward": (trl.RewardTrainer, trl.RewardConfig),
        "grpo": (trl.GRPOTrainer, trl.GRPOConfig),
        "rloo": (trl.RLOOTrainer, trl.RLOOConfig),
    }
    trainer, settings = kinds[stage]
    args = settings(output_dir=str(output), **QUIET | options)
    rewards = {"reward_funcs": lambda completions, **_: [0.0] * len(completions)} if stage in ("grpo", "rloo") else {}
    model: Any = str(parent)
    if stage in ("cpo", "orpo"):  # which read a model, not its name
        model = transformers.AutoModelForCausalLM.from_pretrained(parent)
        rewards = {"processing_class": transformers.AutoTokenizer.from_pretrained(parent)}
    return trainer(model, args=args, train_dataset=datasets.Dataset.from_list(rows), **rewards)
