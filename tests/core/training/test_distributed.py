"""Several processes, one training: the same gradient and the same loss curve as a single process has."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.multiprocessing as mp
from torch import Tensor

from core.datasets.batch import Batch
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT, GPTConfig
from core.training import distributed
from core.training.loop import FitConfig, fit, language_model_loss
from core.training.run_directory import Run
from tests.conftest import free_port

REPO = Path(__file__).parents[3]
ROWS, LENGTH = 64, 8


def small_model() -> GPT:
    torch.manual_seed(0)
    return GPT(GPTConfig(1, 2, 16, LENGTH, 300))


def batch_of(lengths: list[int]) -> Batch:
    """64 rows of 8 tokens, of which the first `length` targets count."""
    inputs = torch.randint(300, (ROWS, LENGTH), generator=torch.Generator().manual_seed(1))
    targets = inputs.roll(-1, 1)
    for row, length in enumerate(lengths):
        targets[row, length:] = IGNORE_INDEX
    return Batch(inputs, targets)


LENGTHS = {
    "whole": [LENGTH] * ROWS,
    "unequal": [1 + 5 * row % LENGTH for row in range(ROWS)],
    "second_half_masked": [LENGTH - 1] * (ROWS // 2) + [0] * (ROWS // 2),  # nothing for the second process
}


def curve(lengths: list[int], micro_batch_size: int) -> tuple[list[float], dict[str, Tensor]]:
    """Losses and gradient norms of three steps of gradient descent, and the weights after them."""
    model = small_model()
    config = FitConfig(max_steps=3, batch_size=ROWS, micro_batch_size=micro_batch_size, warmup_steps=0, grad_clip=0)
    descent = torch.optim.SGD(model.parameters(), lr=1.0)
    logs = list(fit(model, lambda step: batch_of(lengths), language_model_loss, config, [descent]))
    return [value for log in logs for value in (log.loss, log.grad_norm)], model.state_dict()


def in_process(rank: int, directory: Path, port: int) -> None:
    torch.set_num_threads(1)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= address | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    with distributed.process_group():
        torch.save([curve(lengths, 8) for lengths in LENGTHS.values()], directory / f"{rank}.pt")


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory) -> list[list]:
    """The curves that each of two processes saw, for each of LENGTHS."""
    directory = tmp_path_factory.mktemp("two_processes")
    mp.spawn(in_process, (directory, free_port()), nprocs=2)
    return [torch.load(directory / f"{rank}.pt") for rank in range(2)]


@pytest.mark.parametrize("case", range(3), ids=LENGTHS.keys())
def test_1x64_and_8x8_and_2_processes_of_4x8_take_the_same_steps(case, two_processes):
    lengths = list(LENGTHS.values())[case]
    whole, weights = curve(lengths, 0)
    for numbers, state in (curve(lengths, 8), two_processes[0][case], two_processes[1][case]):
        assert numbers == pytest.approx(whole, rel=1e-4)
        for name, tensor in state.items():
            torch.testing.assert_close(tensor, weights[name], rtol=1e-4, atol=1e-5, msg=name)


def test_a_batch_with_fewer_rows_than_processes_is_refused(monkeypatch):
    monkeypatch.setattr(distributed, "world_size", lambda: 65)
    with pytest.raises(ValueError, match="batch_size must be at least the number of processes, got 64 and 65"):
        distributed.share(batch_of(LENGTHS["whole"]))


@pytest.mark.parametrize("world_size", [1, 2, 3, 64])
def test_the_shares_are_the_batch(monkeypatch, world_size):
    monkeypatch.setattr(distributed, "world_size", lambda: world_size)
    batch, shares = batch_of(LENGTHS["unequal"]), []
    for rank in range(world_size):
        monkeypatch.setattr(distributed, "rank", lambda rank=rank: rank)
        shares.append(distributed.share(batch))
    assert torch.equal(torch.cat([share.targets for share in shares]), batch.targets)
    assert torch.equal(torch.cat([share.inputs for share in shares]), batch.inputs)


# --- the command line -----------------------------------------------------------------------------------------

SHAPE = "--n-layer 1 --n-head 1 --n-embd 16 --block-size 16 --vocab-size 300"
FIT = "--device cpu --max-steps 30 --warmup-steps 2 --batch-size 6 --micro-batch-size 2 --eval-interval 10"


def core(arguments: str, processes: int) -> subprocess.CompletedProcess:
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] * (processes > 1)
    command = [sys.executable, *launcher, "-m", "core", *arguments.split()]
    explained = os.environ | {"PYTHONFAULTHANDLER": "1"}  # an abort in torch says from where it came
    return subprocess.run(
        command, cwd=REPO, capture_output=True, text=True, encoding="utf-8", timeout=180, env=explained
    )


def metrics(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.slow
def test_torchrun_trains_the_same_curve_and_resumes_it(text_file, tmp_path):
    alone, together = tmp_path / "alone", tmp_path / "together"
    assert core(f"pretrain {alone} --corpus {text_file} {SHAPE} {FIT}", 1).returncode == 0
    done = core(f"pretrain {together} --corpus {text_file} {SHAPE} {FIT} --save-interval 10", 2)
    assert done.returncode == 0, done.stderr
    assert len(re.findall("^step 30 ", done.stdout, re.M)) == 1  # only one process speaks
    assert json.loads((together / "status.json").read_text())["state"] == "finished"
    for name in ("loss/train", "grad_norm"):
        expected = [line[name] for line in metrics(alone)]
        assert len(expected) == 30
        assert [line[name] for line in metrics(together)] == pytest.approx(expected, rel=1e-3)
    kept = [[path.name for path in Run(run).snapshots()] for run in (alone, together)]
    assert kept[0] == kept[1] and kept[0][-1] == "step-000030"
    assert core(f"run {together}", 2).returncode == 0  # finished already: nobody waits for ever


@pytest.mark.slow
def test_a_run_that_cannot_begin_ends_all_processes(text_file, tmp_path):
    done = core(f"pretrain {tmp_path}/run --corpus {text_file} {SHAPE} {FIT} --batch-size 1", 2)
    assert done.returncode != 0
    assert "batch_size must be at least the number of processes, got 1 and 2" in done.stderr + done.stdout
    assert json.loads((tmp_path / "run" / "status.json").read_text())["state"] == "failed"
