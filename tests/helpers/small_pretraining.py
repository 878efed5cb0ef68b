"""A small pre-training, made in a second: four steps on a short play, in which nothing is learned, each evaluated."""

from pathlib import Path

from core.stages.pretrain import PretrainConfig
from core.stages.registry import train
from core.training.run_directory import Run

PLAY = "ROMEO:\nWhat shall be done?\n\nJULIET:\nNothing, my lord.\n\n" * 100
CONFIG = dict(n_layer=1, n_head=2, n_embd=32, block_size=16, vocab_size=280, batch_size=4, device="cpu")
CONFIG |= dict(max_steps=4, warmup_steps=0, eval_interval=1, save_interval=2, snapshots=3, sample_prompt="To be")


def pretrain(place: Path, name: str) -> Run:
    """Finished, in the directory `place`, where its corpus lies as well: `text.txt`."""
    corpus = place / "text.txt"
    corpus.write_text(PLAY, encoding="utf-8")
    run = Run.create(place / name, "pretrain", PretrainConfig.from_dict(CONFIG | {"corpus": str(corpus)}).to_dict())
    assert train(run).state == "finished", run.status().message
    return run
