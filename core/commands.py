"""What the commands of the command line do that are no stage; cli.py says how they are called."""

import argparse
import json
import logging
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from core import checkpoint, hub, hub_upload
from core.atomic_files import claim
from core.checkpoint import Checkpoint
from core.config import names, plural, typed
from core.conversation import Conversation, Message, generate_reply
from core.datasets import shakespeare as corpora
from core.datasets.conversation_files import write_conversations
from core.datasets.files import read_file
from core.datasets.labelled_files import Columns
from core.datasets.look import Look, describe_example
from core.datasets.preference_files import export_preferences
from core.datasets.thumbs import count_thumbs, read_feedback, write_thumbs
from core.evaluation.classification import evaluate_classifier, majority_class
from core.evaluation.instructions import evaluate_instructions
from core.evaluation.language_model import bits_per_byte
from core.evaluation.ngram_index import N
from core.evaluation.report_card import held_out_texts, report
from core.export import export
from core.generate import Model, Sampling, TextStep, stream_text
from core.learned_text import LearnedText, index_directory, learned_text, open_index, origin
from core.model import GPT
from core.packed_model import PackedGPT
from core.preferences.pair_generation import PAIR_SAMPLING, Writer, simulate
from core.preferences.vote_store import Votes, unknown_criteria
from core.roots import Roots, shipped_models
from core.skills.cut_out import cut_out
from core.skills.of_run import keep, learned, learns_text, measure
from core.skills.sentences import describe_cut, evidence, title, told_besides
from core.stages import pretrain
from core.stages.base import Stage
from core.stages.pretrain import PretrainConfig
from core.stages.registry import STAGES, answers, check_data
from core.tokenizer import Tokenizer
from core.training.device import pick_device
from core.training.planning import memory
from core.training.run_directory import Run
from core.workspace import Workspace

log = logging.getLogger("core")
VOTES = {
    "simulate": "a rule votes on pairs of answers by the model MODEL",
    "export": "write the votes to FILE, as conversations that TRL reads",
    "import": "read votes and thumbs from FILE",
    "thumbs": "write the thumbs under single answers to FILE, from which loss_type kto of dpo learns",
    "edits": "write the edited answers to FILE, as conversations from which sft learns",
    "list": "count the votes of each annotator",
}


@dataclass(frozen=True)
class Action:
    """What can be done to what lies in a directory of checkpoints."""

    help: str
    n_names: int = 0  # that it takes


MODELS = {
    "list": Action("all that is there"),
    "rename": Action("call MODEL by the name NEW", 2),
    "throw-away": Action("move MODEL to the trash", 1),
    "restore": Action("take MODEL, as list calls it, out of the trash", 1),
    "empty-trash": Action("delete what is in the trash"),
}


def run_generate(args: argparse.Namespace) -> int:
    loaded, model = writer(args)
    ids = loaded.tokenizer.encode(args.prompt)
    sys.stdout.write(args.prompt)
    show(stream_text(model, loaded.tokenizer, ids, Sampling.from_dict(typed(args, Sampling)), n_alternatives=0))
    return 0


def run_chat(args: argparse.Namespace) -> int:
    loaded, model = writer(args)
    said: list[Message] = []
    while line := read_line():
        said.append(Message("user", line))
        asked = Conversation(tuple(said), args.persona, args.system, answers(loaded.card))
        sampling = Sampling.from_dict(typed(args, Sampling))
        answer = show(generate_reply(model, loaded.tokenizer, asked, sampling, n_alternatives=0))
        said.append(Message("assistant", asked.lead + answer))
    return 0


def writer(args: argparse.Namespace) -> tuple[Checkpoint[GPT], Model]:
    """The checkpoint, and what writes its text as precisely as it was asked for."""
    loaded = checkpoint.load(args.checkpoint, pick_device(args.device))
    as_it_is = loaded.model.device.type != "cpu" and args.precision == "float32"
    return loaded, loaded.model if as_it_is else PackedGPT(loaded.model, args.precision)


def read_line() -> str:
    """What a person types; "" at the end."""
    sys.stdout.write("> ")
    sys.stdout.flush()
    return sys.stdin.readline().strip()


def show(steps: Iterator[TextStep]) -> str:
    """Write the text as it comes; returns it whole."""
    text = ""
    for step in steps:
        text += step.text
        sys.stdout.write(step.text)
        sys.stdout.flush()
    sys.stdout.write("\n")
    return text


def run_evaluate(args: argparse.Namespace) -> int:
    if args.report:
        found = 0
        for what, values in report(args.checkpoint, pick_device(args.device), args.anew):
            found += len(values)
            for name, value in values.items():
                log.info("%-24s %.4f  (%s)", name, value, what)
        if not found:
            log.info("all has been measured already: --anew measures it once more")
        return 0
    if checkpoint.is_classifier(args.checkpoint):
        return measure_classifier(args)
    loaded = checkpoint.load(args.checkpoint, pick_device(args.device))
    if loaded.card.config.get("corpus") == args.corpus:  # its end was held out, of the text as it was then
        check_data(loaded.card)
    corpus = corpora.load(args.corpus)
    log.info("%s on %s: %.4f bits per byte", args.checkpoint, corpus.name, bits_per_byte(loaded, corpus))
    if args.instructions:
        for name, value in evaluate_instructions(loaded.model, loaded.tokenizer, args.instructions).items():
            log.info("%-20s %.3g", name, value)
    return 0


def run_quotes(args: argparse.Namespace) -> int:
    """What of a text stands in the text that the model learned from, or in another corpus."""
    text = sys.stdin.read() if args.file is None else read_file(args.file, "text").text()[0]
    tokenizer, roots = Tokenizer.load(args.checkpoint), Roots(args.checkpoint.parent, shipped_models())
    if args.corpus:
        index = open_index(corpora.load(args.corpus), tokenizer, index_directory(roots.own))
        learned = LearnedText((index,), (), tokenizer)
    else:
        learned = learned_text(args.checkpoint, tokenizer, roots)
    found = learned.find(text)
    for quotation in found.quotations:
        said = " ".join(text[quotation.start : quotation.end].split())
        log.info("%3d tokens  %s: %s", quotation.span.end - quotation.span.start, origin(quotation), said)
    log.info(
        "%s of %s tokens stand in %s, %d or more in a row",
        f"{found.copied:,}",
        f"{found.tokens:,}",
        ", ".join(learned.corpora),
        N,
    )
    for gap in learned.gaps:
        log.info("not searched: %s", gap)
    return 0


def run_skills(args: argparse.Namespace) -> int:
    """What is not in the run's log is measured now, from its snapshots or its samples."""
    run = Run(args.run)
    measured = measure(run, log.info) if learns_text(run) else []
    if args.keep and measured:
        keep(run, measured)
    found = learned(run, measured)
    for birth in found.births.born:
        log.info("step %s  %s: %s", f"{birth.first.step:,}", title(birth.which), evidence(birth))
        if args.cut_out and birth.which.head:
            log.info("  %s", describe_cut(cut_out(run, birth.which.head)))
    for sentence in told_besides(found):
        log.info("%s", sentence)
    return 0


def measure_classifier(args: argparse.Namespace) -> int:
    loaded = checkpoint.load_classifier(args.checkpoint, pick_device(args.device))
    labelled = held_out_texts(loaded.card)
    measured, base = evaluate_classifier(loaded, labelled), majority_class(labelled)
    log.info(
        "%s on %s held-out texts of %s: accuracy %.4f (always the commonest class: %.4f), macro F1 %.4f (%.4f)",
        args.checkpoint,
        f"{len(labelled.val):,}",
        labelled.name,
        measured["accuracy"],
        base["accuracy"],
        measured["f1"],
        base["f1"],
    )
    for label, share in measured["recall"].items():
        log.info("%-24s recognised %.4f", label, share)
    return 0


def run_votes(args: argparse.Namespace) -> int:
    if args.action != "list" and args.path is None:
        raise ValueError(
            f"votes {args.action} needs {'a model' if args.action == 'simulate' else 'a file'}: {VOTES[args.action]}"
        )
    votes = Votes(args.db)
    if args.action == "simulate":
        loaded = checkpoint.load(args.path)
        writer = Writer(PackedGPT(loaded.model), loaded.tokenizer, args.path.name)
        for voted in simulate(votes, writer, args.rule, args.count, PAIR_SAMPLING, args.seed):
            log.info("%d of %d votes", voted, args.count)
    elif args.action == "export":
        pairs = votes.preferences(args.annotator)
        for path, count in export_preferences(args.path, pairs, args.ties).items():
            log.info("%d votes written to %s", count, path)
        if not args.ties and (ties := sum(pair.tie for pair in pairs)):
            log.info("%d ties left out: --ties writes them to a file of their own", ties)
    elif args.action == "import":
        found = read_feedback(args.path, args.skip_bad_lines)
        annotator = f"file: {args.path.name}"
        votes_added = votes.import_preferences(found.pairs, annotator)
        thumbs_added = votes.thumbs.add(found.thumbs, annotator)
        for problem in [*found.recognised.sentences, *unknown_criteria(found.pairs)]:
            log.info("- %s", problem)
        said = f"{plural(votes_added, 'vote')} and {plural(thumbs_added, 'thumb')} added"
        log.info("%s, of %s; what was there already is left out", said, plural(found.recognised.records, "record"))
    elif args.action == "thumbs":
        thumbs = votes.thumbs.all(args.annotator)
        write_thumbs(args.path, thumbs)
        log.info("%s, written to %s", count_thumbs(thumbs), args.path)
    elif args.action == "edits":
        edits = votes.edits(args.annotator)
        write_conversations(args.path, edits)
        log.info("%s written to %s", plural(len(edits), "edited answer"), args.path)
    else:
        for annotator, count in votes.annotators().items():
            log.info("%6d  %s", count, annotator)
        if thumbs := votes.thumbs.all():
            log.info("%s", count_thumbs(thumbs))
    return 0


def run_data(args: argparse.Namespace) -> int:
    stage = STAGES[args.stage]
    assert stage.look is not None
    found = stage.look(args.file, Columns(args.text_column, args.label_column))
    if args.json:
        sys.stdout.write(json.dumps(found.to_dict(), ensure_ascii=False, indent=2) + "\n")
    else:
        describe_data(found, stage, args)
    if not found.count:
        first = f": {found.recognised.left_out[0]}" if found.recognised.left_out else ""
        raise ValueError(f"{found.name} holds nothing that `{stage.name}` can learn from{first}")
    return 0


def describe_data(found: Look, stage: Stage, args: argparse.Namespace) -> None:
    """How the file was read, the first examples as text, and as tokens where there is a vocabulary."""
    log.info("%s: %s", found.name, found.recognised.layout)
    log.info("%s of %s records are read", f"{found.count:,}", f"{found.recognised.records:,}")
    for sentence in found.recognised.sentences:
        log.info("- %s", sentence)
    for number, example in enumerate(found.examples, 1):
        log.info("\nExample %d\n%s", number, describe_example(example))
    if not found.count or stage.preview is None:
        return
    given: dict[str, Any] = {stage.data: str(args.file), "skip_bad_lines": True}
    given |= {name: vars(args)[name] for name in ("text_column", "label_column") if name in names(stage.config)}
    parents, vocabularies = map(stage.settings_that_name, ("checkpoint", "vocabulary"))
    given |= dict.fromkeys(parents, args.parent) if args.parent else dict.fromkeys(vocabularies, "gpt2")
    try:
        seen = stage.preview(stage.configure(given))
    except ValueError as error:
        log.info("\nNot shown as tokens: %s. --parent names the model whose vocabulary is asked.", error)
        return
    for shown in seen.examples:
        log.info("\n%s as tokens, [those that count in the loss]\n%s", shown.title or "An example", shown.marked)
    log.info("\n%s", seen.note)


def run_models(args: argparse.Namespace) -> int:
    library, action = Workspace(args.directory, shipped_models()), MODELS[args.action]
    if args.directory.is_dir() and args.action != "list":
        for sentence in library.tidy():
            log.info("%s", sentence)
    if len(args.names) != action.n_names:
        raise ValueError(f"models {args.action} takes {action.n_names} names, got {len(args.names)}: {action.help}")
    if args.action == "list":
        for entry in library.entries():
            kind = f"{entry.kind}{', read-only' if entry.read_only else ''}"
            log.info("%-24s %-16s %8.1f MB  %s", entry.name, kind, entry.size / 1e6, entry.card.parent or "")
        for thrown in library.thrown_away():
            log.info("%-24s in the trash", thrown.id)
    elif args.action == "rename":
        library.rename(*args.names)
    elif args.action == "throw-away":
        log.info("now in the trash: %s", library.throw_away(*args.names))
    elif args.action == "restore":
        library.restore(*args.names)
    else:
        log.info("%.1f MB are free again", library.empty_trash() / 1e6)
    return 0


def run_tokenizer(args: argparse.Namespace) -> int:
    with claim(args.directory):
        corpus = corpora.load(args.corpus)
        tokenizer = Tokenizer.train(
            corpus.train,
            args.vocab_size,
            lambda done, all: log.info("%s of %s merges", done, all) if done % 1024 == 0 else None,
        )
        tokenizer.save(args.directory)
    log.info("%s tokens learned from %s, saved in %s", f"{tokenizer.vocab_size:,}", corpus.name, args.directory)
    return 0


def run_import(args: argparse.Namespace) -> int:
    hub.import_model(args.source, args.directory, args.revision, args.n_head)
    return 0


def run_export(args: argparse.Namespace) -> int:
    if (args.file is None) == (args.push is None):
        raise ValueError("say where to: a FILE that ends with .gguf, .html or .zip, or --push OWNER/NAME")
    if args.push is not None:
        address = hub_upload.push(args.checkpoint, args.push, "", args.private, args.force, args.license)
        log.info("%s was uploaded to %s", args.checkpoint.name, address)
        return 0
    for sentence in export(args.checkpoint, args.file, args.type, args.force, args.license):
        log.info("%s", sentence)
    return 0


def run_memory(args: argparse.Namespace) -> int:
    config = pretrain.STAGE.configure(typed(args, PretrainConfig), args.preset)
    device = pick_device("auto").type if config.fit.device == "auto" else config.fit.device
    processes = max(1, config.fit.processes)  # of this or any other machine
    planned = memory.plan(config.model, config.fit, device, processes)
    for part, size in vars(planned).items():
        log.info("%-12s%8.2f GiB", part, size / memory.GIB)
    if args.budget_gb is not None:
        fit = memory.suggest(config.model, config.fit, device, args.budget_gb, processes)
        log.info(
            "for %g GB: micro_batch_size %d, %d to a step, recompute %s: %.2f GiB",
            args.budget_gb,
            fit.micro_batch_size,
            math.ceil(math.ceil(fit.batch_size / processes) / fit.micro_batch_size),
            "on" if fit.recompute else "off",
            memory.plan(config.model, fit, device, processes).peak / memory.GIB,
        )
    return 0


def run_corpus(args: argparse.Namespace) -> int:
    corpora.save(corpora.load(args.name), args.directory)
    log.info("%s written to %s", args.name, args.directory)
    return 0
