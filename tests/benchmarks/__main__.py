"""Ours beside its peers on this machine: `python -m tests.benchmarks --help`."""

import argparse
import json
import logging
import math
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from core.model import GPTConfig
from core.training.device import pick_device
from tests.benchmarks import gpu, time_to_loss, work
from tests.benchmarks.contest import Build, Times, contest

log = logging.getLogger("benchmarks")
REPO = Path(__file__).parents[2]
SMALL = GPTConfig(6, 6, 384, 256, 65)  # 10.7M, GPT-2's own activation, as transformers has it by default
FULL = GPTConfig.preset("gpt2")


class Report:
    """Runs contests and prints one row of a Markdown table for each contender."""

    def __init__(self, args: argparse.Namespace):
        self.args, self.device, self.threads = args, args.device, args.threads
        self.part, self.columns, self.rows = "machine", tuple[str, ...](), list[dict[str, str]]()
        self.flops = self.measure(work.matrix_product)
        self.bandwidth = self.measure(work.memory_read)

    def measure(self, ceiling: Callable[[str], work.Work]) -> float:
        return contest({"ours": partial(ceiling, self.device)}, 3, self.threads)["ours"].result

    def contest(self, title: str, builds: Mapping[str, Build], rounds: int) -> dict[str, Times]:
        sys.stderr.write(f"{title} ...\n")
        return contest(builds, rounds, self.threads)

    def row(self, *cells: str) -> None:
        self.write(*cells)
        self.rows.append({"part": self.part, "name": cells[0], **dict(zip(self.columns, cells[1:], strict=True))})
        if self.args.json:
            self.args.json.write_text(json.dumps(self.rows, indent=1), encoding="utf-8")

    def head(self, *cells: str) -> None:
        self.columns = cells[1:]
        sys.stdout.write("\n")
        self.write(*cells)
        self.write(*["---"] * len(cells))

    def write(self, *cells: str) -> None:
        sys.stdout.write(f"| {' | '.join(cells)} |\n")
        sys.stdout.flush()

    def machine(self) -> None:
        self.head(f"CPU, {self.threads} threads, torch {torch.__version__}", "speed")
        self.rows.append(
            {"part": "machine", "name": "torch", "version": torch.__version__, "threads": str(self.threads)}
        )
        self.row("matrix product", f"{self.flops / 1e9:,.0f} GFLOP/s")
        self.row("memory read", f"{self.bandwidth / 1e9:.1f} GB/s")

    def training(self) -> None:
        wide = replace(FULL, block_size=512)
        self.head("training step", "tokens/s", "ours is faster by", "of the product")
        for title, gelu_new, B, rounds in (
            ("10.7M, 8 x 256 tokens", SMALL, 8, 9),
            ("10.7M, 8 x 256 tokens, a dropout of 0.1", replace(SMALL, dropout=0.1), 8, 9),
            (f"124M, {wide.block_size} tokens a row", wide, 2, 3),
        ):
            gelu = replace(gelu_new, activation_function="gelu")
            builds: dict[str, Build] = {
                "ours": partial(work.our_training, gelu, B, self.device),
                "ours, tanh GELU": partial(work.our_training, gelu_new, B, self.device),
                "transformers (tanh GELU, its default)": partial(work.transformers_training, gelu_new, B, self.device),
                "transformers, exact GELU": partial(work.transformers_training, gelu, B, self.device),
            }
            if self.args.nanogpt:
                builds["nanoGPT"] = partial(work.nanogpt_training, gelu, B, self.device, self.args.nanogpt)
            times = self.contest(f"training {title}", builds, rounds)
            for name, taken in times.items():
                speed = B * gelu.block_size / taken.median
                share = speed * gelu.flops_per_token / self.flops
                ratio = taken.median / times["ours"].median
                self.row(f"{title}: {name}", f"{speed:,.0f}", f"{ratio:.2f}", f"{share:.0%}")

    def generation(self) -> None:
        self.head("generation, 128 tokens", "tokens/s", "times transformers", "of the bandwidth's bound")
        for title, config in (("10.7M", SMALL), ("124M", FULL)):
            for B, precisions in ((1, ("float32", "float16", "int8")), (16, ("float32", "int8"))):
                builds: dict[str, Build] = {"ours": partial(work.our_generation, config, B, self.device, None)}
                builds |= {
                    f"ours, {precision}": partial(work.our_generation, config, B, self.device, precision)
                    for precision in precisions
                }
                builds["transformers"] = partial(work.transformers_generation, config, B, self.device)
                rounds = 7 if config is SMALL else 3 if B == 1 else 2
                times = self.contest(f"generation {title}, batch {B}", builds, rounds)
                for name, taken in times.items():
                    speed = B * work.NEW / taken.median
                    size = {"float16": 2, "int8": 1}.get(name.split(", ")[-1], 4)
                    bound = B * self.bandwidth / (size * config.n_params)
                    ratio = times["transformers"].median / taken.median
                    same = "" if taken.result == times["transformers"].result else ", other tokens"
                    share = f"{speed / bound:.0%}" if B == 1 else ""
                    self.row(f"{title}, batch {B}: {name}{same}", f"{speed:,.1f}", f"{ratio:.2f}", share)
        text = self.args.text.read_text(encoding="utf-8")[-100_000:]
        costs = work.precision_costs(REPO / "checkpoints" / "bard-base", text)
        told = ", ".join(f"{precision} {cost:+.4f}" for precision, cost in costs.items())
        sys.stdout.write(f"\nBits per byte that a precision adds (bard-base, 100,000 bytes): {told}\n")

    def ppo(self) -> None:
        self.head("PPO, 64 answers of the chat model", "seconds an iteration")
        times = self.contest("PPO", {"ours": partial(work.ppo_iteration, self.device)}, 3)
        self.row("ours", f"{times['ours'].median:.2f}")

    def libraries(self) -> None:
        self.head("torch's own beside ours", "ours, ms", "torch's, ms", "ours is faster by")
        for N, config in (
            (1024, FULL),
            (2048, GPTConfig.preset("bard", vocab_size=4096)),
            (4096, GPTConfig.preset("bard", vocab_size=2048)),
            (2048, SMALL),
        ):
            build = partial(work.cross_entropy, config, N, self.device)
            builds = {"ours": partial(build, None)} | {name: partial(build, name) for name in ("whole", "in pieces")}
            title = f"cross-entropy, {N} rows of {config.n_embd}, {config.vocab_size:,} tokens"
            self.compare(title, self.contest(title, builds, 5))
        for title, config in (("10.7M", SMALL), ("nano", GPTConfig.preset("nano"))):
            build = partial(work.muon, config, self.device)
            title = f"a step of Muon, {title}"
            self.compare(title, self.contest(title, {"ours": partial(build, True), "torch": partial(build, False)}, 3))

        build = partial(work.passes, GPTConfig.preset("bard", dropout=0.1, vocab_size=2048), 16, self.device)
        builds = {"ours": partial(build, True), "torch's dropout": partial(build, False)}
        self.compare("a batch of `bard` forward and backward with dropout", self.contest("dropout", builds, 5))

    def compare(self, title: str, times: dict[str, Times]) -> None:
        ours = times.pop("ours").median
        for name, taken in times.items():
            self.row(
                f"{title}, {name}", f"{1000 * ours:,.1f}", f"{1000 * taken.median:,.1f}", f"{taken.median / ours:.2f}"
            )

    def tokenizer(self) -> None:
        text = self.args.text.read_text(encoding="utf-8")
        megabytes = len(text.encode()) / 1e6
        self.head("tokenizer", "ours", "tokenizers")
        trained = self.contest(
            "BPE", {"ours": partial(work.our_bpe, text, 8192), "theirs": partial(work.tokenizers_bpe, text, 8192)}, 3
        )
        self.row(f"BPE training, 8,192 tokens on {megabytes:.1f} MB", *(f"{t.median:.2f} s" for t in trained.values()))
        with tempfile.TemporaryDirectory() as directory:
            builds: dict[str, Build] = {
                "ours": partial(work.our_encoding, text),
                "theirs": partial(work.tokenizers_encoding, text, Path(directory)),
            }
            encoded = self.contest("encoding", builds, 5)
        assert encoded["ours"].result == encoded["theirs"].result
        self.row("encoding with GPT-2's vocabulary", *(f"{megabytes / t.median:.1f} MB/s" for t in encoded.values()))

    def memory(self) -> None:
        self.head("peak memory, 124M, 8 x 1024 tokens", "GiB", "of transformers'")
        peaks = {}
        for name, training in (
            ("transformers", work.transformers_training),
            ("ours", work.our_training),
            ("ours, exact GELU", work.our_training),
        ):
            changes = {"activation_function": "gelu"} if "exact" in name else {}
            config = GPTConfig.from_dict(FULL.to_dict() | changes)
            build = partial(work.peak_memory, training, config, 8, self.device)
            peaks[name] = self.contest(f"memory, {name}", {name: build}, 0)[name].result
            self.row(name, f"{peaks[name] / 2**30:.2f}", f"{peaks[name] / peaks['transformers']:.0%}")

    def time(self) -> None:
        self.head("time to loss 1.88", "steps", "validation loss", "seconds in all", "seconds to 1.88")
        torch.set_num_threads(self.threads)
        curves: dict[str, Iterator[tuple[int, float, float]]] = {}
        if self.args.nanogpt:
            curves["nanoGPT"] = time_to_loss.nanogpt(self.args.text, work.nanogpt_module(self.args.nanogpt))
        for name, recipe in time_to_loss.ABLATION.items():
            curves[f"ours: {name}"] = time_to_loss.ours(self.args.text, recipe)
        for name, curve in curves.items():
            sys.stderr.write(f"time to loss, {name} ...\n")
            points = list(curve)
            reached = min((seconds for _, seconds, loss in points if loss <= time_to_loss.TARGET), default=math.nan)
            step, seconds, loss = points[-1]
            self.row(name, str(step), f"{loss:.4f}", f"{seconds:.0f}", "-" if math.isnan(reached) else f"{reached:.0f}")


PARTS = ("training", "generation", "ppo", "libraries", "tokenizer", "memory", "time")


def main() -> None:
    parser = argparse.ArgumentParser("python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=sorted({*PARTS, *gpu.PARTS}), help="some parts only")
    parser.add_argument("--text", type=Path, help="tiny Shakespeare's text file; not needed on a GPU")
    parser.add_argument("--nanogpt", type=Path, help="a copy of nanoGPT's model.py, to measure it too")
    parser.add_argument("--device", choices=("cpu", "cuda"), default=pick_device("auto").type)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, help="a file for the rows, written as they come")
    args = parser.parse_args()
    known = gpu.PARTS if args.device == "cuda" else PARTS
    chosen = args.only or known
    if unknown := [part for part in chosen if part not in known]:
        parser.error(f"there is no part {unknown[0]} on {args.device}: {', '.join(known)}")
    if args.device == "cuda":
        gpu.main(list(chosen), args.nanogpt, args.json)
        return
    if args.text is None and {"generation", "tokenizer", "time"}.intersection(chosen):
        parser.error("--text is needed for generation, tokenizer and time")
    report = Report(args)
    report.machine()
    for part in chosen:
        report.part = part
        getattr(report, part)()


if __name__ == "__main__":
    main()
