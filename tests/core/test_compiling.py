"""torch's compiler is imported by who compiles, and by nobody else."""

import subprocess
import sys
from pathlib import Path

import torch

from core.training.optimizer import AdamW

REPO = Path(__file__).parents[2]
TRAINED = """
import sys
from core.__main__ import main
for optimizer in ("muon", "adamw"):
    options = ["pretrain", f"{sys.argv[2]}/{optimizer}", "--corpus", sys.argv[1], "--optimizer", optimizer]
    options += "--n-layer 1 --n-head 2 --n-embd 32 --block-size 16 --vocab-size 300 --batch-size 2 --device cpu".split()
    assert main([*options, "--max-steps", "2", "--warmup-steps", "0"]) == 0
assert not [name for name in sys.modules if name.startswith("torch._dynamo")]
"""


def test_a_training_does_not_import_it(text_file, tmp_path):
    command = [sys.executable, "-c", TRAINED, str(text_file), str(tmp_path)]
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


def test_adamw_takes_torchs_steps():
    generator = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(5, 7, generator=generator), torch.randn(4, 5, 7, generator=generator)
    moved = []
    for kind in (AdamW, torch.optim.AdamW):
        weight = torch.nn.Parameter(start.clone())
        optimizer = kind([weight], lr=0.1, betas=(0.8, 0.9), weight_decay=0.3, fused=True)
        for gradient in gradients:
            weight.grad = gradient.clone()
            optimizer.step()
            optimizer.zero_grad()
        moved.append(weight.detach())
    assert torch.equal(*moved) and not torch.equal(moved[0], start)
