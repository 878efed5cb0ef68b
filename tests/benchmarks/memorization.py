"""How much the shipped models copy, and what finding it out costs here: `python -m tests.benchmarks.memorization`.

Shares as the report card has them, with n and 95 % intervals; the seconds that the index of the plays takes and the
milliseconds that an answer's spans take; with --megabytes, seconds and peak memory for a text of that size, in a
process of its own.
"""

import argparse
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

from core.datasets import shakespeare as corpora
from core.evaluation.memorization import find_copies
from core.evaluation.ngram_index import NGramIndex, build
from core.evaluation.report_card import COPIED, Measures, figures, measures
from core.tokenizer import Tokenizer

CHECKPOINTS = Path(__file__).parents[2] / "checkpoints"
MODELS = ("bard-base", "bard-sft", "bard-chat", "bard-aligned", "bard-tiny")
ANSWERS, LENGTH = 50, 400  # excerpts that are searched, and the characters of each: about 130 tokens
LINE = 8  # words


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="*", default=MODELS)
    parser.add_argument("--megabytes", type=int, default=0)
    parser.add_argument("--index", type=Path, help=argparse.SUPPRESS)  # of the process of its own
    args = parser.parse_args()
    if args.index:
        index_file(args.index)
        return
    torch.set_num_threads(1)
    for name in args.models:
        found: Measures = measures(CHECKPOINTS / name, torch.device("cpu"))
        for figure in figures(found[COPIED]()):
            say(f"{name:14}{figure.metric.meaning}: {figure}")
    say(times())
    if args.megabytes:
        with tempfile.TemporaryDirectory() as directory:
            path = write_words(Path(directory) / "words.txt", args.megabytes * 1_000_000)
            subprocess.run([sys.executable, "-m", "tests.benchmarks.memorization", "--index", str(path)], check=True)


def times() -> str:
    """Processor time, which other work on the machine does not change much."""
    corpus, tokenizer = corpora.load("shakespeare"), Tokenizer.load(CHECKPOINTS / "bard-base")
    with tempfile.TemporaryDirectory() as directory:
        begun = time.process_time()
        build(Path(directory) / "index", corpus.name, corpus.train, tokenizer)
        made = time.process_time() - begun
        index, taken = NGramIndex(Path(directory) / "index", tokenizer), []
        for n in range(ANSWERS):
            text = (corpus.train if n % 2 else corpus.val)[n % 2]
            answer = text[n * LENGTH : (n + 1) * LENGTH]
            begun = time.process_time()
            find_copies(answer, tokenizer, [index])
            taken.append(1000 * (time.process_time() - begun))
    spans = f"{statistics.median(taken):.1f} ms in the middle, {max(taken):.1f} ms at most (n = {ANSWERS})"
    return f"index of the plays, {index.meta.tokens:,} tokens: {made:.1f} s; spans of {LENGTH} characters: {spans}"


def write_words(path: Path, size: int) -> Path:
    """A text of `size` bytes: words of the plays in random order, in lines and speeches."""
    words, chance = corpora.load("shakespeare").train[0].split(), random.Random(0)
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < size:
            lines = (" ".join(chance.choices(words, k=LINE)) for _ in range(1000))
            file.write("\n".join(lines) + "\n\n")
    return path


def index_file(path: Path) -> None:
    tokenizer, before = Tokenizer.load(CHECKPOINTS / "bard-base"), peak()
    begun = time.process_time()
    corpus = corpora.load(str(path))
    read, at = peak(), time.process_time() - begun
    build(path.parent / "index", corpus.name, corpus.train, tokenizer)
    taken = time.process_time() - begun - at
    size = sum(file.stat().st_size for file in (path.parent / "index").iterdir()) / 1e6
    say(f"{path.stat().st_size / 1e6:.0f} MB: read in {at:.0f} s, indexed in {taken:.0f} s, {size:.0f} MB on disk")
    say(f"peak memory: {before:.0f} MB before, {read:.0f} MB when it was read, {peak():.0f} MB in all")


def peak() -> float:
    """MB. What getrusage says begins with the peak of the process that started this one."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
