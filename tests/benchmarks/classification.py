"""What fine-tuning is worth beside what is cheaper: `python -m tests.benchmarks.classification`.

The same held-out texts for the classifier, trained in each of its four ways for the same number of steps, for who
always answers the commonest class, and for a logistic regression on TF-IDF word weights (scikit-learn).
"""

import argparse
import sys
import time
from pathlib import Path
from typing import Any

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from core.checkpoint import Checkpoint
from core.config import add_flags, names
from core.datasets.classification import Labelled
from core.evaluation.classification import Scores, confusion, describe_scores, evaluate_classifier, majority_class
from core.stages.classify import RECIPES, ClassifyConfig, prepare, read
from core.training.device import pick_device
from core.training.loop import fit

REPO = Path(__file__).parents[2]


def tfidf(labelled: Labelled) -> dict[str, Any]:
    """Words weighted by how rare they are (Salton & Buckley 1988), and a line between the classes."""
    regression = make_pipeline(TfidfVectorizer(), LogisticRegression(max_iter=1000))
    regression.fit([text for text, _ in labelled.train], [label for _, label in labelled.train])
    answers = regression.predict([text for text, _ in labelled.val])
    table = confusion([label for _, label in labelled.val], answers, len(labelled.labels))
    return describe_scores(Scores(table, float("nan")), labelled)


def fine_tuned(config: ClassifyConfig, labelled: Labelled) -> tuple[dict[str, Any], str]:
    """Measures of the last step's weights, and how much was trained."""
    job = prepare(config, None, pick_device(config.fit.device), lambda message: None)
    for entry in fit(job.model, job.batches, job.loss_fn, job.config):
        if entry.step % 50 == 0:
            sys.stderr.write(f"{config.train_what}: step {entry.step}, loss {entry.loss:.3f}\n")
    trained = sum(p.numel() for p in job.model.parameters() if p.requires_grad)
    return evaluate_classifier(Checkpoint(job.model.eval(), job.tokenizer, job.card), labelled), f"{trained:,}"


def row(*cells: str) -> None:
    sys.stdout.write(f"| {' | '.join(cells)} |\n")
    sys.stdout.flush()


def measured(name: str, began: float, scores: dict[str, Any], trained: str = "") -> None:
    recall = ", ".join(f"{label} {share:.2f}" for label, share in scores["recall"].items())
    seconds = f"{time.perf_counter() - began:.0f} s"
    row(name, f"{scores['accuracy']:.3f}", f"{scores['f1']:.3f}", recall, trained, seconds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ways", nargs="+", choices=tuple(RECIPES), default=tuple(RECIPES))
    defaults = ClassifyConfig(parent=str(REPO / "checkpoints" / "bard-base"))
    add_flags(parser, ClassifyConfig, defaults)
    args = parser.parse_args()
    typed = {name: value for name, value in vars(args).items() if name in names(ClassifyConfig)}
    typed.pop("train_what", None)  # --ways says it
    configs = {way: ClassifyConfig.preset(way, **{"parent": defaults.parent} | typed) for way in args.ways}
    labelled = read(next(iter(configs.values())))
    row(f"{len(labelled.val):,} texts of {labelled.name}", "accuracy", "macro F1", "recall", "weights trained", "time")
    row(*["---"] * 6)
    measured("the commonest class", time.perf_counter(), majority_class(labelled))
    began = time.perf_counter()
    measured("TF-IDF, logistic regression", began, tfidf(labelled))
    for way, config in configs.items():
        began = time.perf_counter()
        measured(f"{way}, {config.fit.max_steps} steps", began, *fine_tuned(config, labelled))


if __name__ == "__main__":
    main()
