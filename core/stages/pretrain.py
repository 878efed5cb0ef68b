"""Pre-training: from random weights and a plain text to a model that predicts the next token."""

import logging
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import torch

from core import checkpoint
from core.checkpoint import Card, Checkpoint, read_card
from core.config import Config, setting
from core.datasets import shakespeare as corpora
from core.datasets.conversations import Example
from core.datasets.look import look_at_texts
from core.datasets.pretraining import HeldOut, TokenBlocks, unigram_entropy
from core.datasets.preview import SHOWN_TOKENS, Preview, read_facts, show_example
from core.datasets.records import ENDINGS
from core.datasets.shakespeare import CORPORA, Corpus
from core.diagnostics.verdict import pretrain_verdict
from core.generate import Sampling, stream_text
from core.model import GPT, GPTConfig, set_dropout
from core.presets import PRESETS
from core.skills.evaluation import SkillEvaluation
from core.skills.heads import HEAD_SKILLS
from core.skills.writing import WRITING_SKILLS
from core.stages.base import HELD_OUT, Metric, Presets, Stage
from core.tokenizer import Tokenizer, check_vocab_size
from core.training.distillation import distillation_loss
from core.training.finetuning import check_unchanged
from core.training.loop import FitConfig, held_out_metrics, language_model_loss
from core.training.runner import Job, Progress

SHOWN_TEXT = 600  # characters
TEACHER_DIGEST = "teacher_sha256"  # on a card
log = logging.getLogger(__name__)
RECIPES: dict[str, dict[str, Any]] = {
    name: GPTConfig.preset(name).to_dict() | preset.recipe for name, preset in PRESETS.items()
}


@dataclass(frozen=True)
class PretrainConfig(Config):
    """Everything that decides what a pre-training makes."""

    corpus: str = setting(
        "shakespeare-1mb",
        f"What to learn from: {', '.join(CORPORA)}, or the path of a text or a directory of texts",
        refers="corpus",
        fixed=True,
    )
    text_column: str = setting(
        "",
        "Own table, JSON or parquet: the column of the texts; empty = the one with a usual name",
        refers="column",
        fixed=True,
    )
    skip_bad_lines: bool = setting(
        False, "Own table or JSON: leave out lines that cannot be read instead of stopping", fixed=True
    )
    tokenizer: str = setting(
        "train",
        "train = learn a vocabulary of vocab_size from the corpus; gpt2; or a checkpoint's path",
        refers="vocabulary",
        fixed=True,
    )
    init_from: str = setting(
        "",
        "Go on from this checkpoint's weights, shape and vocabulary; empty = random weights",
        refers="checkpoint",
        fixed=True,
    )
    teacher: str = setting(
        "",
        "Learn also what this model expects at each token (knowledge distillation): a checkpoint, whose vocabulary is "
        "taken; empty = from the text alone",
        refers="checkpoint",
        optional=True,
        fixed=True,
    )
    teacher_weight: float = setting(
        0.5,
        "The teacher's share of the training loss; the rest is that of the token which comes next in the text",
        low=0.0,
        high=1.0,
        step=0.05,
    )
    sample_prompt: str = setting("ROMEO:\n", "Beginning of the text samples written during training")
    model: GPTConfig = field(default_factory=lambda: GPTConfig.preset("nano"))
    fit: FitConfig = field(default_factory=lambda: FitConfig(**PRESETS["nano"].recipe))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.teacher and self.fit.shard:
            raise ValueError("shard must be off where a teacher is named: it reads with the whole model")

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Self:
        """A model shape with the recipe that suits it, from `tiny` to `gpt2-xl`, with `changes`."""
        if name not in RECIPES:
            raise ValueError(f"preset must be one of {', '.join(RECIPES)}, got {name!r}")
        return cls.from_dict(RECIPES[name] | changes)


def prepare(config: PretrainConfig, saved: Path | None, device: torch.device, say: Progress) -> Job:
    """The pre-training that `config` describes, from random weights or from a saved step."""
    say(f"reading the corpus {config.corpus}")
    corpus = read_corpus(config)
    for sentence in corpus.recognised.sentences:
        log.info("%s: %s", corpus.name, sentence)
    begun = saved or config.init_from
    last = checkpoint.load(begun, device) if begun else None
    teacher = checkpoint.load(config.teacher, device) if config.teacher else None
    tokenizer = vocabulary_of(config, last or teacher, str(begun or config.teacher)) or make_tokenizer(
        config, corpus, say
    )
    say("turning the corpus into tokens")
    train_ids = tokenizer.encode_documents(corpus.train)
    fit, block_size = config.fit, last.model.config.block_size if last else config.model.block_size
    if teacher:
        check_teacher(config, teacher, tokenizer, block_size)
    batches = TokenBlocks(train_ids, block_size, fit.batch_size, fit.seed)
    held_out = HeldOut(corpus.val, tokenizer, block_size, fit.micro_batch_size or fit.batch_size)
    if last:
        model = last.model
        set_dropout(model, config.model.dropout)
    else:
        torch.manual_seed(fit.seed)
        model = GPT(replace(config.model, vocab_size=tokenizer.vocab_size)).to(device)

    def evaluate(model: GPT) -> dict[str, float]:
        return held_out_metrics(model, held_out, fit.dtype)

    measure_skills = SkillEvaluation(corpus.train, corpus.val, tokenizer)

    def details(model: GPT, step: int) -> dict[str, Any]:
        return {"skills": measure_skills(model, step)}

    def sample(model: GPT) -> dict[str, str]:
        ids = tokenizer.encode(config.sample_prompt)[-block_size:]
        steps = stream_text(model, tokenizer, ids, Sampling(max_new_tokens=100, seed=fit.seed), n_alternatives=0)
        return {"prompt": config.sample_prompt, "text": "".join(step.text for step in steps)}

    data = {"corpus": corpus.name, "sha256": corpus.digest, "vocabulary_sha256": tokenizer.digest}
    if teacher:
        data |= {"teacher": Path(config.teacher).name, TEACHER_DIGEST: teacher_digest(config, saved)}
    parent = Path(config.init_from).name if config.init_from else None
    card = Card("pretrain", parent, config=config.to_dict(), data=data)
    references = {"uniform": math.log(tokenizer.vocab_size), "unigram": unigram_entropy(train_ids)}
    return Job(
        model=model,
        tokenizer=tokenizer,
        batches=batches,
        loss_fn=distillation_loss(teacher.model, config.teacher_weight) if teacher else language_model_loss,
        config=fit,
        card=card,
        evaluate=evaluate,
        sample=sample,
        references=references,
        details=details,
    )


def read_corpus(config: PretrainConfig) -> Corpus:
    return corpora.load(config.corpus, config.text_column, config.skip_bad_lines)


def vocabulary_of(config: PretrainConfig, known: Checkpoint[GPT] | None, name: str) -> Tokenizer | None:
    """Of the checkpoint `name` that is gone on from, or else taught by. ValueError if another one is asked for."""
    if known and config.tokenizer != "train" and named_tokenizer(config).digest != known.tokenizer.digest:
        raise ValueError(
            f"{name} has another vocabulary than {config.tokenizer}: leave tokenizer at train to take the checkpoint's"
        )
    return known.tokenizer if known else None


def check_teacher(config: PretrainConfig, teacher: Checkpoint[GPT], tokenizer: Tokenizer, block_size: int) -> None:
    """Raise ValueError if it cannot say what it expects of the tokens that the model reads."""
    if teacher.tokenizer.digest != tokenizer.digest:
        raise ValueError(
            f"the teacher {config.teacher} has another vocabulary than {config.init_from}: choose one that has the same"
        )
    if (most := teacher.model.config.block_size) < block_size:
        raise ValueError(
            f"the teacher {config.teacher} reads {most} tokens at once, and block_size is {block_size}: choose {most}"
        )


def teacher_digest(config: PretrainConfig, saved: Path | None) -> str:
    """sha256 of its weights. Raises ValueError if they have changed since the saved step."""
    if saved:
        digest: str | None = read_card(saved / "card.json").data.get(TEACHER_DIGEST)
        check_unchanged(Path(config.teacher), digest)
    return checkpoint.weights_digest(Path(config.teacher))


def make_tokenizer(config: PretrainConfig, corpus: Corpus, say: Progress) -> Tokenizer:
    """The vocabulary that the configuration names; one that exists already decides over vocab_size."""
    if config.tokenizer != "train":
        return named_tokenizer(config)
    wanted = config.model.vocab_size
    return Tokenizer.train(
        corpus.train, wanted, lambda done, all: say(f"learning the vocabulary: {done:,} of {all:,} merges")
    )


def named_tokenizer(config: PretrainConfig) -> Tokenizer:
    return Tokenizer.gpt2() if config.tokenizer == "gpt2" else Tokenizer.load(config.tokenizer)


def shape_of(config: PretrainConfig) -> GPTConfig:
    """Of the model that is trained. Raises ValueError if it is that of a checkpoint, and that cannot be read."""
    if config.init_from:
        return checkpoint.read_config(Path(config.init_from) / "config.json")
    return config.model


def preview(config: PretrainConfig) -> Preview:
    corpus = read_corpus(config)
    size, held_out = (sum(map(len, documents)) for documents in (corpus.train, corpus.val))
    facts: list[tuple[str, int | str]] = [
        *read_facts(corpus.recognised),
        ("documents to learn from", len(corpus.train)),
        ("characters to learn from", size),
        ("characters held out", held_out),
    ]
    problems = corpus.recognised.sentences
    beginning = corpus.train[0][:SHOWN_TEXT]
    known = config.init_from or config.teacher
    if config.tokenizer == "train" and not known:
        check_vocab_size(config.model.vocab_size)
        note = "The vocabulary will be learned from this text first, so it has no tokens yet. Every token counts."
        return Preview(facts, (), note, problems, text=beginning)
    tokenizer = Tokenizer.load(known) if known else named_tokenizer(config)
    ids = tokenizer.encode_documents(text[: 10 * SHOWN_TOKENS] for text in corpus.train[:SHOWN_TOKENS])[:SHOWN_TOKENS]
    example = show_example(tokenizer, Example(ids, [True] * len(ids)))
    note = "Blocks of this text, as long as the context, begin anywhere; every token counts in the loss."
    return Preview(facts, (example,), note, problems)


STAGE = Stage(
    "pretrain",
    "Pre-train",
    "Train a model from random weights on a text.",
    PretrainConfig,
    prepare,
    lesson="From random weights, or on from a checkpoint, on a plain text: it learns from every next token.",
    stem="gpt",
    learned_text=read_corpus,
    shape=shape_of,
    fills_context=True,
    shards=True,
    frozen_models=lambda config: int(bool(config.teacher)),
    passes=lambda config: 4 / 3 if config.teacher else 1.0,  # to read is a third as dear as to learn
    metrics=(
        Metric(
            "bpb/val",
            "bits per byte",
            role=HELD_OUT,
            meaning="bits per byte on its own held-out text",
            curve="validation",
            panel="bpb",
            late=True,
        ),
    ),
    verdict=pretrain_verdict,
    skills=(*WRITING_SKILLS, *HEAD_SKILLS),
    main_settings=("corpus", "max_steps", "batch_size", "learning_rate", "vocab_size"),
    offers=tuple(CORPORA),
    files=ENDINGS,
    presets=Presets("preset", RECIPES, "nano", "Size of the model, with settings that suit it"),
    look=look_at_texts,
    preview=preview,
)
