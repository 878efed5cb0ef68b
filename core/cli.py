"""How the commands are called: those of the stages are made from what the stages declare of themselves."""

import argparse
import logging
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from core.commands import (
    MODELS,
    VOTES,
    run_chat,
    run_corpus,
    run_data,
    run_evaluate,
    run_export,
    run_generate,
    run_import,
    run_memory,
    run_models,
    run_quotes,
    run_skills,
    run_tokenizer,
    run_votes,
)
from core.config import REWARD, add_flags, describe_os_error, typed
from core.datasets import shakespeare as corpora
from core.decisive_command import HELP as DECISIVE_HELP
from core.decisive_command import add_decisive, run_decisive
from core.generate import Sampling
from core.gguf_file import TYPES
from core.method_comparison_settings import ComparisonConfig, GoodhartConfig, MethodsConfig
from core.mix_command import HELP as MIX_HELP
from core.mix_command import add_mix, run_mix
from core.packed_model import PRECISIONS
from core.preferences.rule_annotators import RULES
from core.preferences.vote_store import FILE
from core.rlhf import own_reward
from core.roots import default_directory, find_model
from core.stages import pretrain
from core.stages.base import Presets, Stage
from core.stages.memory_fit import fitted_here, known_need
from core.stages.pretrain import PretrainConfig
from core.stages.registry import STAGES
from core.training import distributed
from core.training.run_directory import Run
from core.training_commands import (
    QUEUE,
    complain,
    enqueue,
    execute,
    run_compare_methods,
    run_goodhart,
    run_queue,
    run_run,
)

Command = Callable[[argparse.Namespace], int]
Add = Callable[[str, Command, str], argparse.ArgumentParser]  # name, what it does, help


def main(argv: list[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    try:
        distributed.join()
        level = logging.INFO if distributed.is_main() else logging.WARNING
        logging.basicConfig(level=level, format="%(message)s", stream=sys.stdout)
        status: int = args.command(args)
        if status == 0:
            distributed.leave()
        return status
    except ValueError as error:
        return complain(str(error))
    except OSError as error:
        return complain(describe_os_error(error))
    except KeyboardInterrupt:
        return complain("interrupted")


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m core", description="Make, train and use GPTs, without the page.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Command, help: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help, description=help)
        sub.set_defaults(command=command)
        return sub

    for stage in STAGES.values():
        add_stage(add(stage.name, partial(run_stage, stage), f"{stage.summary} Ctrl-C saves and stops."), stage)

    add_use(add)
    add_house(add)
    add_material(add)
    return parser


def add_use(add: Add) -> None:
    """What is done with a run or a model."""
    sub = add("run", run_run, "Execute the run in a directory, or resume it from its last saved step.")
    sub.add_argument("directory", type=Path, nargs="+", help="several are trained in turn")
    sub.add_argument("--queue", action="store_true", help="wait in the queue, to be begun when the device is free")
    sub.add_argument("--anyway", action="store_true", help="--queue: begin although it does not fit into memory")
    sub.add_argument(
        "--reward",
        default="",
        metavar="FILE.py:FUNCTION",
        help="your own reward functions that the run names, with commas: only what is named at the start is executed",
    )
    sub.add_argument("--queued", action="store_true", help=argparse.SUPPRESS)  # how the queue itself begins one

    about = "DPO, PPO, GRPO and best-of-n from one parent on one rule: reward against KL, and what each costs."
    add_comparison(add("compare-methods", run_compare_methods, about), MethodsConfig)
    about = "Push against reward models of few votes and of many: does the rule turn that they stand for?"
    add_comparison(add("goodhart", run_goodhart, about), GoodhartConfig)

    add_mix(add("mix", run_mix, MIX_HELP))
    add_decisive(add("decisive-votes", run_decisive, DECISIVE_HELP))

    sub = add("skills", run_skills, "What a run has learned, at which step, and what that was seen by.")
    sub.add_argument("run", type=find_model, help="its directory, or its name among the models")
    sub.add_argument("--keep", action="store_true", help="keep what had to be measured now in the run's log")
    sub.add_argument("--cut-out", action="store_true", help="also: the held-out loss without each head that is named")

    sub = add("generate", run_generate, "Continue a text.")
    sub.add_argument("--prompt", default="", help="the text to continue; empty begins a new document")
    add_writer(sub)

    sub = add("chat", run_chat, "Talk with a model, a line at a time; an empty line or Ctrl-D ends it.")
    sub.add_argument("--persona", default="", help="a character of the plays, as whom it answers")
    sub.add_argument("--system", default="", help="a system message: it goes before the first turn")
    add_writer(sub)

    sub = add(
        "evaluate",
        run_evaluate,
        "Bits per byte on the validation text of a corpus; of a classifier, accuracy on the texts held out for it.",
    )
    sub.add_argument("checkpoint", type=find_model, help="its path, or its name among the models")
    sub.add_argument("--corpus", default="shakespeare", help="a corpus's name, or the path of a text [shakespeare]")
    sub.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto")
    about = (
        "also: how many instructions on held-out plays it follows, with so many of each kind, and how often it finds "
    )
    sub.add_argument("--report", action="store_true", help="measure all that the card lacks, and keep it there")
    sub.add_argument("--anew", action="store_true", help="--report: measure what is on the card once more")
    sub.add_argument("--instructions", type=int, default=0, help=f"{about}the true reply likelier than another [0]")

    sub = add(
        "quotes", run_quotes, "What of a text stands word for word in the text that a model learned from, and where."
    )
    sub.add_argument("checkpoint", type=find_model, help="its path, or its name among the models")
    sub.add_argument(
        "file", type=Path, nargs="?", help="the text, such as what the model wrote [what is typed or piped]"
    )
    sub.add_argument("--corpus", default="", help="another text to search: a corpus's name, or a path [what it read]")


def add_comparison(sub: argparse.ArgumentParser, kind: type[ComparisonConfig]) -> None:
    sub.add_argument("name", help="what the comparison will be called; the page shows it under Align, Compare methods")
    sub.add_argument("--directory", type=Path, default=default_directory(), help="where models live [%(default)s]")
    sub.add_argument(
        "--resume", action="store_true", help="go on with NAME, which was stopped or cut off, as it was set"
    )
    add_flags(sub, kind, kind())


def add_house(add: Add) -> None:
    """What is kept: votes and models."""
    sub = add(
        "votes",
        run_votes,
        "Votes between two answers: let a rule vote, write them to a file, read them from one.",
    )
    sub.add_argument(
        "action",
        choices=tuple(VOTES),
        help="; ".join(f"{name}: {what}" for name, what in VOTES.items()),
    )
    sub.add_argument("path", type=Path, nargs="?", help="the model that answers, or the file")
    sub.add_argument("--db", type=Path, default=default_directory() / FILE, help="where votes are kept [%(default)s]")
    sub.add_argument("--rule", choices=tuple(RULES), default="question", help="whose taste the rule is [question]")
    sub.add_argument("--count", type=int, default=200, help="votes of the rule [200]")
    sub.add_argument("--seed", type=int, default=0, help="the same seed gives the same pairs [0]")
    sub.add_argument("--ties", action="store_true", help="export: write ties as well, to FILE-ties")
    sub.add_argument("--skip-bad-lines", action="store_true", help="import: leave out lines that cannot be read")
    sub.add_argument("--annotator", action="append", help="export: votes of this annotator; may be repeated [all]")

    sub = add("queue", run_queue, "The trainings that wait: which, in which order, and why; what can begin is begun.")
    sub.add_argument(
        "action", choices=tuple(QUEUE), help="; ".join(f"{name}: {what}" for name, (what, _) in QUEUE.items())
    )
    sub.add_argument("name", nargs="?", help="of the run")
    sub.add_argument("--directory", type=Path, default=default_directory(), help="where runs live [%(default)s]")

    sub = add(
        "models",
        run_models,
        "What lies in a directory of checkpoints: list it, rename, delete (to the trash), restore.",
    )
    sub.add_argument(
        "action",
        choices=tuple(MODELS),
        help="; ".join(f"{name}: {action.help}" for name, action in MODELS.items()),
    )
    sub.add_argument("names", nargs="*", help="the model, and its new name")
    sub.add_argument("--directory", type=Path, default=default_directory(), help="where models live [%(default)s]")


def add_material(add: Add) -> None:
    """What trainings begin with: vocabularies, others' weights, room in memory, texts."""
    sub = add("data", run_data, "Look at a file before training: what is recognised and left out, the first examples.")
    sub.add_argument("file", type=Path, help="a file of data; for pretrain also a directory of texts")
    looks = tuple(stage.name for stage in STAGES.values() if stage.look)
    sub.add_argument("--stage", choices=looks, required=True, help="what is to be trained on it")
    sub.add_argument("--text-column", default="", help="column of the texts [the one with a usual name]")
    sub.add_argument("--label-column", default="", help="column of the labels [the one with a usual name]")
    sub.add_argument(
        "--parent", default="", help="the model whose vocabulary shows tokens [the stage's parent, or gpt2]"
    )
    sub.add_argument("--json", action="store_true", help="as JSON, for programs")

    sub = add("tokenizer", run_tokenizer, "Learn a vocabulary and save it, for pretrain --tokenizer DIRECTORY.")
    sub.add_argument("directory", type=Path)
    sub.add_argument("--corpus", default="shakespeare", help="a corpus's name, or the path of a text [shakespeare]")
    sub.add_argument("--vocab-size", type=int, default=4096, help="tokens, special ones included [4096]")

    sub = add(
        "import",
        run_import,
        "Make a checkpoint of a GPT-2 that lies in a directory, in a file or on the hub, huggingface.co.",
    )
    sub.add_argument(
        "source",
        help="a directory or file in the layout of Hugging Face, Raschka's book (model.pth) or nanoGPT (ckpt.pt), or a "
        "model's id: gpt2-xl, owner/name, ...",
    )
    sub.add_argument("directory", type=Path, help="where the checkpoint goes, e.g. checkpoints/gpt2")
    sub.add_argument(
        "--revision",
        help="branch, tag or commit on the hub; the card keeps the commit "
        "[a fixed one for gpt2, gpt2-medium, gpt2-large and gpt2-xl, main for others]",
    )
    sub.add_argument("--n-head", type=int, help="heads, where the weights do not say it [n_embd / 64, as in GPT-2]")

    add_export(add)

    sub = add(
        "memory",
        run_memory,
        "Predict the memory that a pre-training takes, and choose what fits into a budget.",
    )
    add_preset(sub, pretrain.STAGE.presets, "gpt2")
    sub.add_argument("--budget-gb", type=float, help="memory that there is, e.g. 16 for an RTX 5070 Ti")
    add_flags(sub, PretrainConfig, PretrainConfig.preset("gpt2"))

    sub = add("corpus", run_corpus, "Write a corpus as train.txt and val.txt, to carry it to another machine.")
    sub.add_argument("name", help=f"{', '.join(corpora.CORPORA)}, or the path of a text")
    sub.add_argument("directory", type=Path)


def add_export(add: Add) -> None:
    sub = add(
        "export",
        run_export,
        "Write a checkpoint for elsewhere: GGUF for llama.cpp and Ollama, a page that chats, a zip, one on the hub.",
    )
    sub.add_argument("checkpoint", type=find_model, help="its path, or its name among the models")
    sub.add_argument(
        "file", type=Path, nargs="?", help="NAME.gguf, beside which a Modelfile is written, NAME.html, or NAME.zip"
    )
    about = "; ".join(f"{name}: {what}" for name, what in TYPES.items())
    sub.add_argument("--type", choices=tuple(TYPES), default="f32", help=f"of the weights in a GGUF; {about} [f32]")
    sub.add_argument("--force", action="store_true", help="replace a file, or add to a model, that is there already")
    sub.add_argument("--push", metavar="OWNER/NAME", help="upload it to huggingface.co, with the token in HF_TOKEN")
    sub.add_argument("--private", action="store_true", help="--push: for your eyes only")
    sub.add_argument("--license", default="", help="for the model card, e.g. mit [that of a shipped model, or none]")


def add_writer(sub: argparse.ArgumentParser) -> None:
    """What decides who writes, and how."""
    sub.add_argument("checkpoint", type=find_model, help="its path, or its name among the models")
    sub.add_argument("--device", choices=("auto", "cuda", "mps", "cpu"), default="auto")
    about = "; ".join(f"{name}: {what}" for name, what in PRECISIONS.items())
    sub.add_argument("--precision", choices=tuple(PRECISIONS), default="float32", help=f"on a CPU, {about} [float32]")
    add_flags(sub, Sampling, Sampling())


# --- stages ---------------------------------------------------------------------------------------------------


def add_stage(sub: argparse.ArgumentParser, stage: Stage) -> None:
    """A flag for each setting, and one for presets that are chosen by no setting."""
    example = f"checkpoints/my-{stage.stem or stage.name}"
    sub.add_argument("directory", type=Path, help=f"where the run and its checkpoint go, e.g. {example}")
    if stage.has_preset_flag:
        add_preset(sub, stage.presets)
    add_flags(sub, stage.config, stage.configure({}), stage.refused)
    sub.add_argument("--queue", action="store_true", help="wait in the queue, to be begun when the device is free")
    too_large = sub.add_mutually_exclusive_group()
    too_large.add_argument("--fit", action="store_true", help="if it does not fit into memory, smaller micro-batches")
    too_large.add_argument("--anyway", action="store_true", help="begin although it does not fit into memory")


def add_preset(sub: argparse.ArgumentParser, presets: Presets | None, default: str = "") -> None:
    assert presets is not None
    default = default or presets.default
    sub.add_argument(
        f"--{presets.flag.replace('_', '-')}",
        choices=tuple(presets.recipes),
        default=default,
        dest="preset",
        help=f"{presets.help} [{default}]",
    )


def run_stage(stage: Stage, args: argparse.Namespace) -> int:
    """Begin a run with what was given on the command line."""
    config = stage.configure(typed(args, stage.config), vars(args).get("preset"))
    for name in stage.settings_that_name(REWARD):
        own_reward.allow(config.to_dict()[name])
    if distributed.world_size() == 1 and not args.anyway:
        config = fit_or_refuse(stage, config, args)
    if distributed.is_main():
        stage.check(config)
        Run.create(args.directory, stage.name, config.to_dict())
    distributed.wait_for_all()
    return enqueue([Run(args.directory)], args.anyway) if args.queue else execute([Run(args.directory)])


def fit_or_refuse(stage: Stage, config: Any, args: argparse.Namespace) -> Any:
    """The configuration if it fits into memory, or was told to; what waits in the queue is asked about there.

    Raises ValueError that names the flags to choose from.
    """
    need = known_need(stage, config)
    if need is None or need.fits:
        return config
    if args.fit:
        return replace(config, fit=fitted_here(stage, config))
    if args.queue:
        return config
    raise ValueError(f"{need.sentence()}: --fit makes the micro-batches smaller, --anyway begins all the same")
