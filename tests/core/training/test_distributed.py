"""Several processes, one training: the same gradient and the same loss curve as a single process has."""

import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path
from subprocess import PIPE

import pytest
import torch
import torch.multiprocessing as mp
from torch import Tensor

from core.__main__ import main
from core.child import command
from core.datasets.batch import Batch
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT, GPTConfig
from core.stages.registry import STAGES
from core.training import device, distributed
from core.training.device import describe_device
from core.training.launch import processes_of
from core.training.log_lines import read_lines
from core.training.loop import FitConfig, fit, language_model_loss
from core.training.run_directory import Run, step_number
from core.training.sharding import Shards
from tests.conftest import SENTENCES, free_port
from tests.core.training.test_run_directory import wait_for
from tests.helpers.ready_process import FORKED

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


def curve(lengths: list[int], micro_batch_size: int, shard: bool = False) -> tuple[list[float], dict[str, Tensor]]:
    """Losses and gradient norms of three steps of gradient descent, and the weights after them."""
    model = small_model()
    config = FitConfig(
        max_steps=3,
        batch_size=ROWS,
        micro_batch_size=micro_batch_size,
        warmup_steps=0,
        grad_clip=1e-2,
        optimizer="adamw",
        shard=shard,
    )
    shards = Shards(model) if shard else None
    descent = torch.optim.SGD(model.parameters(), lr=100.0)
    logs = list(fit(model, lambda step: batch_of(lengths), language_model_loss, config, [descent]))
    whole = shards.gather() if shards else model
    return [value for log in logs for value in (log.loss, log.grad_norm)], whole.state_dict() if whole else {}


def in_process(rank: int, directory: Path, port: int) -> None:
    torch.set_num_threads(1)
    address = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    os.environ |= address | {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    distributed.join()
    curves = [curve(lengths, 8, shard) for lengths in LENGTHS.values() for shard in (False, True)]
    torch.save(curves, directory / f"{rank}.pt")
    distributed.leave()


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory) -> list[list]:
    """The curves that each of two processes saw, for each of LENGTHS, as replicas and as shards."""
    directory = tmp_path_factory.mktemp("two_processes")
    mp.start_processes(in_process, (directory, free_port()), nprocs=2, start_method=FORKED.get_start_method())
    return [torch.load(directory / f"{rank}.pt") for rank in range(2)]


@pytest.mark.slow
@pytest.mark.parametrize("case", range(3), ids=LENGTHS.keys())
def test_1x64_8x8_2_replicas_of_4x8_and_2_shards_take_the_same_steps(case, two_processes):
    lengths = list(LENGTHS.values())[case]
    whole, weights = curve(lengths, 0)
    split = [curves[2 * case + shard] for curves in two_processes for shard in (False, True)]
    for numbers, state in (curve(lengths, 8), *split):
        assert numbers == pytest.approx(whole, rel=1e-4)
        for name, tensor in state.items():
            torch.testing.assert_close(tensor, weights[name], rtol=1e-4, atol=1e-5, msg=name)
    assert [bool(state) for _, state in split] == [True, True, True, False]  # the first process gathers the shards


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


# --- whole trainings ------------------------------------------------------------------------------------------

SHAPE = "--n-layer 1 --n-head 1 --n-embd 16 --block-size 16 --vocab-size 300 --tokenizer train --optimizer adamw"
FIT = "--device cpu --max-steps 20 --warmup-steps 2 --batch-size 6 --micro-batch-size 2 --eval-interval 10"
SAVES = "--save-interval 5 --snapshots 2"


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Run:
    """A run of one process."""
    directory = tmp_path_factory.mktemp("alone")
    (directory / "text.txt").write_text(SENTENCES * 10, encoding="utf-8")
    command = f"pretrain {directory}/alone --corpus {directory}/text.txt {SHAPE} {FIT} {SAVES}"
    assert main(command.split()) == 0
    return Run(directory / "alone")


def losses(run: Run) -> list[float]:
    lines = read_lines(run.metrics)[0]
    assert [line["step"] for line in lines] == [*range(1, 21)]
    return [line[name] for line in lines for name in ("loss/train", "grad_norm")]


@pytest.mark.slow
def test_shards_end_with_the_worker_that_dies_and_one_process_goes_on_from_what_they_saved(alone, tmp_path):
    """As the page and the command line begin it, with `processes 2`."""
    run = Run.create(tmp_path / "two", "pretrain", alone.read()[1] | {"processes": 2, "shard": True})
    training = threading.Thread(target=main, args=(["run", str(run.directory)],))
    training.start()
    wait_for(lambda: run.saved_steps() or not training.is_alive(), 120)
    run.request("pause")
    wait_for(lambda: run.status().state == "paused" or not training.is_alive(), 60)
    status = run.status()
    assert status.processes == 2, run.log.read_text()
    assert "2 processes on the CPU, connected by gloo: each has a part of the model" in run.log.read_text()
    os.kill(status.pid, signal.SIGKILL)
    training.join(60)
    assert not training.is_alive()
    assert run.status().state == "interrupted"
    last = step_number(run.saved_steps()[-1])
    assert 5 <= last < 20
    run.clear_request()
    run.change_config(alone.read()[1])
    assert main(["run", str(run.directory)]) == 0
    assert losses(run) == pytest.approx(losses(alone), rel=1e-4)


@pytest.mark.slow
def test_two_agents_of_torchrun_as_on_two_machines_go_on_with_what_one_process_saved(alone, tmp_path):
    run = alone.fork(tmp_path / "two", 10, alone.read()[1] | {"processes": 1, "shard": True})
    port = str(free_port())
    agents = []
    for node in range(2):
        place = ["--nnodes", "2", "--node-rank", str(node), "--master-addr", "127.0.0.1", "--master-port", port]
        launcher = [sys.executable, "-P", "-m", "torch.distributed.run", *place, "--no-python"]
        agents.append(
            subprocess.Popen([*launcher, *command("core", "run", str(run.directory))], stdout=PIPE, text=True)
        )
    said = [agent.communicate(timeout=180)[0] for agent in agents]
    assert [agent.returncode for agent in agents] == [0, 0]
    assert [len(re.findall("^step 20 ", text, re.M)) for text in said] == [1, 0]  # only one process speaks
    assert run.status().state == "finished" and run.status().processes == 2
    assert losses(run) == pytest.approx(losses(alone), rel=1e-4)
    assert [path.name for path in run.snapshots()] == [path.name for path in alone.snapshots()]


# --- what is refused ------------------------------------------------------------------------------------------


def test_more_processes_than_sequences_or_gpus_are_refused(monkeypatch):
    with pytest.raises(ValueError, match="batch_size must be at least the number of processes, got 1 and 2"):
        FitConfig(batch_size=1, processes=2)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [processes_of(FitConfig(batch_size=rows), torch.device("cuda")) for rows in (2, 64)] == [2, 4]
    assert [processes_of(FitConfig(processes=n), torch.device("cpu")) for n in (0, 3)] == [1, 3]
    with pytest.raises(ValueError, match="processes must be at most 4, the number of GPUs here, got 5"):
        processes_of(FitConfig(processes=5), torch.device("cuda"))


@pytest.mark.parametrize(
    ("stage", "changes", "sentence"),
    [
        ("ppo", {"processes": 2, "reward_model": "taste"}, "processes must be 1, since ppo trains in one, got 2"),
        ("sft", {"shard": True, "optimizer": "adamw"}, "shard must be off: sft trains a model that one process holds"),
    ],
)
def test_what_a_stage_cannot_do_in_several_processes_it_refuses(stage, changes, sentence):
    with pytest.raises(ValueError, match=sentence):
        STAGES[stage].check(STAGES[stage].configure(changes))


def test_where_it_runs_is_named_with_torch_and_precision(monkeypatch):
    assert describe_device(torch.device("cpu")) == f"CPU; torch {torch.__version__}; float32"
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(device, "describe_gpu", lambda device: "RTX 5090, driver 570.1")
    monkeypatch.setattr(device, "device_name", lambda device: "RTX 5090")
    expected = f"2 GPUs, the first: RTX 5090, driver 570.1; torch {torch.__version__}; bfloat16"
    assert describe_device(torch.device("cuda")) == expected


def test_shards_need_adamw():
    with pytest.raises(ValueError, match="optimizer must be adamw where the model is in shards, got muon"):
        FitConfig(shard=True, optimizer="muon")
