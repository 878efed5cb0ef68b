"""What fine-tuning is worth beside what is cheaper: `python -m tests.benchmarks.classification`.

The genre of a speech, told by a classifier trained in each of its four ways, by a logistic regression on TF-IDF word
weights (scikit-learn), and by who always answers the commonest class. Three sets of whole plays: one to learn from, one
(CHOOSING) on which each way's number of steps is chosen, and one (HELD_OUT) that is measured once, at the end. The
plays are what is independent, not their speeches: standard errors and differences are taken over plays.
"""

import argparse
import copy
import math
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from scipy.stats import t
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from core.datasets.classification import (
    GENRES,
    HELD_OUT,
    Encoded,
    Example,
    Labelled,
    TextBatches,
    genre_by_play,
    split_by_play,
)
from core.evaluation.classification import Scores, classification_loss, confusion, score
from core.stages.classify import RECIPES, ClassifyConfig, choose_trained, starting_model
from core.training.device import pick_device
from core.training.loop import fit

REPO = Path(__file__).parents[2]
# Two whole plays of each genre. Characters of these histories occur in others too; their names are not in the texts.
CHOOSING = ("much-ado-about-nothing", "twelfth-night", "henry-v", "richard-ii", "hamlet", "king-lear")

Tables = dict[str, np.ndarray]  # for each play its confusion table: rows true classes, columns answers
Answer = Callable[[Sequence[Example]], np.ndarray]  # the confusion table of some texts


def by_play(answer: Answer, plays: Sequence[str], examples: Mapping[str, Sequence[Example]]) -> Tables:
    return {play: answer(examples[play]) for play in plays}


def accuracy(tables: Tables) -> float:
    return Scores(np.sum(list(tables.values()), axis=0), math.nan).accuracy


def standard_error(tables: Tables, other: Tables | None = None) -> float:
    """Of the accuracy, or of the accuracy over that of `other`, with the plays as what is drawn (Cameron & Miller 2015,
    equation 11, for a mean): the root of G / (G - 1) times the sum over plays of squared residual sums, over n."""
    count = np.array([table.sum() for table in tables.values()])
    right = np.array([table.trace() for table in tables.values()], dtype=float)
    if other:
        right -= [other[play].trace() for play in tables]
    residual = right - count * right.sum() / count.sum()
    return float(math.sqrt(len(count) / (len(count) - 1) * (residual**2).sum()) / count.sum())


def always(label: int) -> Answer:
    return lambda texts: confusion([text.label for text in texts], [label] * len(texts), len(GENRES))


def tfidf(train: Sequence[Example]) -> Answer:
    """Words weighted by how rare they are (Salton & Buckley 1988), and a line between the classes."""
    regression = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    regression.fit([text for text, _ in train], [label for _, label in train])
    return lambda texts: confusion(
        [text.label for text in texts], regression.predict([text.text for text in texts]), len(GENRES)
    )


def fine_tuned(config: ClassifyConfig, labelled: Labelled) -> tuple[Answer, int, str]:
    """The classifier after as many steps as do best on `labelled.val`, how many these were, and what was trained."""
    start = starting_model(config, None, labelled, pick_device(config.fit.device))
    model, tokenizer = start.model, start.tokenizer
    choose_trained(model, config.train_what)
    max_tokens = min(config.max_tokens or model.config.block_size, model.config.block_size)
    train, chosen_on = (Encoded(part, tokenizer, max_tokens) for part in (labelled.train, labelled.val))
    batches = TextBatches(train, config.fit.batch_size, config.fit.seed)
    best, steps, weights = -1.0, 0, copy.deepcopy(model.state_dict())
    for entry in fit(model, batches, classification_loss, config.fit):
        if entry.step % config.fit.eval_interval == 0:
            now = score(model, chosen_on.all(32), config.fit.dtype).accuracy
            sys.stderr.write(f"{config.train_what}: step {entry.step}, loss {entry.loss:.3f}, to choose {now:.3f}\n")
            if now > best:
                best, steps, weights = now, entry.step, copy.deepcopy(model.state_dict())
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    model.load_state_dict(weights)

    def answer(texts: Sequence[Example]) -> np.ndarray:
        return score(model, Encoded(texts, tokenizer, max_tokens).all(32), config.fit.dtype).confusion

    return answer, steps, f"{trained:,}"


def row(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def report(name: str, tables: Tables, baseline: Tables, steps: str, trained: str, began: float) -> None:
    cells = [f"{accuracy(tables):.3f} ± {standard_error(tables):.3f}"]
    cells.append(f"{Scores(np.sum(list(tables.values()), axis=0), math.nan).f1:.3f}")
    cells += [f"{table.trace() / table.sum():.2f}" for table in tables.values()]
    ahead, doubt = accuracy(tables) - accuracy(baseline), standard_error(tables, baseline)
    doubt *= t.ppf(0.975, len(tables) - 1)  # few plays: Student's t, not 1.96
    cells += [f"{ahead:+.3f} ({ahead - doubt:+.3f} to {ahead + doubt:+.3f})", steps, trained]
    row(name, *cells, f"{time.perf_counter() - began:.0f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", choices=tuple(RECIPES), default=tuple(RECIPES), help="what is trained")
    parser.add_argument("--parent", default=str(REPO / "checkpoints" / "bard-base"), help="checkpoint to start from")
    parser.add_argument("--max-steps", type=int, default=300, help="of each training; the best of them are kept")
    args = parser.parse_args()
    examples = genre_by_play()
    to_learn = {play: texts for play, texts in examples.items() if play not in HELD_OUT}
    labelled = split_by_play(CHOOSING, to_learn)
    counts = f"{len(labelled.train):,} to learn from, {len(labelled.val):,} to choose on"
    n_measured = sum(len(examples[play]) for play in HELD_OUT)
    sys.stdout.write(f"{n_measured:,} texts to measure on, {counts}\n")
    row("", "accuracy ± standard error", "macro F1", *HELD_OUT, "above TF-IDF (95 %)", "steps", "weights", "time")
    row(*["---"] * (7 + len(HELD_OUT)))
    began = time.perf_counter()
    words = by_play(tfidf(labelled.train), HELD_OUT, examples)
    commonest = max(range(len(GENRES)), key=[text.label for text in labelled.train].count)
    report(f"always {GENRES[commonest]}", by_play(always(commonest), HELD_OUT, examples), words, "", "", began)
    report("TF-IDF, logistic regression", words, words, "", "", began)
    for way in args.ways:
        began = time.perf_counter()
        config = ClassifyConfig.preset(way, parent=args.parent, max_steps=args.max_steps)
        answer, steps, trained = fine_tuned(config, labelled)
        report(way, by_play(answer, HELD_OUT, examples), words, f"{steps}", trained, began)


if __name__ == "__main__":
    main()
