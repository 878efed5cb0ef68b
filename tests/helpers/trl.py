"""TRL's own trainers, which ours are compared with."""

import logging
import os
import warnings
from pathlib import Path
from typing import Any

from core.datasets.preference_files import Preference
from core.tokenizer import ASSISTANT, USER


def trl_trainer(stage: str, parent: Path, pairs: list[Preference], output: Path, **options: Any) -> Any:
    """TRL's trainer of a checkpoint, `stage` dpo or reward, in float32 on the CPU."""
    os.environ["TQDM_DISABLE"] = "1"
    logging.disable(logging.WARNING)
    warnings.simplefilter("ignore")
    import datasets  # noqa: PLC0415 (with TRL, and only the extra `oracle` brings it)
    import transformers  # noqa: PLC0415
    import trl  # noqa: PLC0415

    datasets.disable_progress_bars()
    transformers.logging.disable_progress_bar()
    kinds = {"dpo": (trl.DPOTrainer, trl.DPOConfig), "reward": (trl.RewardTrainer, trl.RewardConfig)}
    trainer, settings = kinds[stage]
    tokenizer = transformers.AutoTokenizer.from_pretrained(parent)
    tokenizer.pad_token = USER  # no text ends with it: TRL reads a reward before the padding
    args = settings(output_dir=str(output), **dict[str, Any](use_cpu=True, bf16=False, report_to="none") | options)
    rows = [{"prompt": USER + p.prompt + ASSISTANT, "chosen": p.chosen, "rejected": p.rejected} for p in pairs]
    made = trainer(
        str(parent),
        args=args,
        train_dataset=datasets.Dataset.from_list(rows),
        processing_class=tokenizer,
    )
    made.current_gradient_accumulation_steps = 1  # train() would set it
    return made
