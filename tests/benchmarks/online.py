"""Learning while voting, with a rule as the person: `python -m tests.benchmarks.online --rule question`.

The rule votes on what the page's own services offer it, at a person's pace, while the model learns in a process of its
own. Then: how long a vote took while it learned, how long after the vote that completes a round the first pair of the
new version was there, and how often the rule holds among answers to held-out prompts, before and after. With --at-once
only the last of these is measured, in this process and without waiting, which a busy machine does not change.
"""

import argparse
import logging
import random
import shutil
import statistics
import sys
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import torch

from core import checkpoint
from core.checkpoint import weights_digest
from core.datasets.preference_files import Preference
from core.datasets.prompts import held_out_prompts, learning_prompts
from core.evaluation.instructions import replies
from core.generate import Model, Sampling
from core.online_dpo import Round, learn, version_model
from core.packed_model import PackedGPT
from core.preferences.agreement import wilson
from core.preferences.pair_generation import Writer, answer_pairs
from core.preferences.rule_annotators import RULES, Rule, annotator_of, prefer
from core.preferences.vote_store import FILE, Pair, Votes
from core.tokenizer import Tokenizer
from playground.services.checkpoints import Checkpoints
from playground.services.labelling.learning_state import EVERY
from playground.services.labelling.online_learning import MEASURED_PROMPTS
from playground.services.labelling.voting_session import Labelling
from playground.services.labelling.voting_settings import VotingSettings
from playground.tabs.label.choose import SAMPLING
from tests.helpers.alignment import CHAT

PROMPTS = 300
say = logging.getLogger("benchmark").info


@dataclass
class Times:
    """In seconds."""

    while_learning: list[float] = field(default_factory=list)  # of a vote, until it was stored and the next pair there
    otherwise: list[float] = field(default_factory=list)
    first_pairs: list[float] = field(
        default_factory=list
    )  # from the vote that completes a round to a pair that came of it


def offered(labelling: Labelling, who: str, settings: VotingSettings) -> Pair:
    while (pair := (offer := labelling.offer("window", who, settings)).pair) is None:
        if offer.trouble:
            raise ValueError(offer.trouble)
        time.sleep(0.02)
    return pair


def vote(labelling: Labelling, who: str, rule: Rule, settings: VotingSettings, count: int, pace: float) -> Times:
    """Let the rule give `count` votes; what it cannot tell apart is skipped."""
    learning, times, given, seen = labelling.learning, Times(), 0, 0
    completed: dict[int, float] = {}  # when the vote was given after which a version was due
    while given < count:
        pair = offered(labelling, who, settings)
        version = max(pair.left.version, pair.right.version)
        if version > seen:
            times.first_pairs.append(time.monotonic() - completed[version])
            seen = version
        choice = prefer(rule, pair.left.text, pair.right.text)
        choice = "skip" if choice == "tie" else choice
        took = times.while_learning if learning.progress(who, settings).learning else times.otherwise
        began = time.monotonic()
        labelling.cast("window", who, settings, str(uuid.uuid4()), pair.id, choice, 900)
        took.append(time.monotonic() - began)
        if choice != "skip":
            given += 1
            completed.setdefault(given // EVERY, began)
            time.sleep(pace)
    while learning.progress(who, settings).learning:
        time.sleep(0.1)
    return times


def vote_at_once(session: Path, rule: Rule, count: int) -> None:
    """The same without page and pace. As a person goes on while a round is learned, its pairs are a version older."""
    loaded, digest = checkpoint.load(CHAT), weights_digest(CHAT)
    writers = [Writer(PackedGPT(loaded.model), loaded.tokenizer, CHAT.name)]
    prompts, chance, votes = iter(learning_prompts(3000, 0)), random.Random(0), list[Preference]()
    for number in range(1, count // EVERY + 1):
        old, new = writers[0], writers[max(0, number - 2)]
        while len(votes) < number * EVERY:
            pairs = [
                answer_pairs(first, new, [next(prompts)], SAMPLING, chance.getrandbits(40)) for first in (old, new)
            ]
            for prompt, left, right in pairs[0] + pairs[1]:
                if (choice := prefer(rule, left.text, right.text)) != "tie":
                    both = (left, right) if choice == "left" else (right, left)
                    votes.append(Preference(prompt, both[0].text, both[1].text))
        asked = held_out_prompts(MEASURED_PROMPTS, seed=1)
        made = learn(Round(str(CHAT), digest, str(session), number, number - 1, votes, asked, "cpu"))
        say("version %d: %d votes, KL %.2f, %.1f s", number, made.votes, made.kl, made.seconds)
        learned = version_model(loaded.model, session, number)
        writers.append(Writer(PackedGPT(learned), loaded.tokenizer, CHAT.name, number))
    for when, writer in (("before", writers[0]), ("after", writers[-1])):
        say("%s: rate %.3f [%.3f, %.3f]", when, *rate(writer.model, loaded.tokenizer, rule))


def rate(model: Model, tokenizer: Tokenizer, rule: Rule) -> tuple[float, float, float]:
    """How often the rule holds among answers to held-out prompts, with its interval."""
    answers = replies(model, tokenizer, held_out_prompts(PROMPTS), Sampling(max_new_tokens=64))
    holding = sum(map(rule.holds, answers))
    return holding / PROMPTS, *wilson(holding, PROMPTS)


def report(labelling: Labelling, who: str, rule: Rule, settings: VotingSettings, times: Times) -> None:
    learning, checkpoints = labelling.learning, labelling.learning.checkpoints
    found = learning.progress(who, settings)
    for one in found.versions:
        say("version %d: %d votes, KL %.2f, %.1f s", one.number, one.votes, one.kl, one.seconds)
    for name, took in (("while it learns", times.while_learning), ("otherwise", times.otherwise)):
        if took:
            figures = len(took), 1000 * statistics.median(took), 1000 * max(took)
            say("a vote %s: %d votes, median %.0f ms, at most %.0f ms", name, *figures)
    say("first pair of a new version after: %s s", ", ".join(f"{wait:.1f}" for wait in times.first_pairs))
    preferred = found.preferred
    say(
        "preferred to the old one: %s of %d, %.2f to %.2f",
        preferred.share,
        preferred.count,
        preferred.low,
        preferred.high,
    )
    model, tokenizer = checkpoints.writer(CHAT.name, "float32")
    session = learning.require_session(who, settings)
    learned, _ = checkpoints.version_writer(CHAT.name, session, found.state.current)
    say("before: rate %.3f [%.3f, %.3f]", *rate(model, tokenizer, rule))
    say("after:  rate %.3f [%.3f, %.3f]", *rate(learned, tokenizer, rule))


def main() -> int:
    parser = argparse.ArgumentParser("python -m tests.benchmarks.online", description=__doc__.splitlines()[0])
    parser.add_argument("--rule", choices=tuple(RULES), default="question")
    parser.add_argument("--votes", type=int, default=40)
    parser.add_argument("--pace", type=float, default=2.0, help="seconds from one vote to the next")
    parser.add_argument("--at-once", action="store_true", help="only what is learned, without page and pace")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    rule, who = RULES[args.rule], annotator_of(args.rule)
    settings = VotingSettings((CHAT.name, CHAT.name), SAMPLING, repeats=False)
    with TemporaryDirectory() as directory:
        if args.at_once:
            vote_at_once(Path(directory) / "session", rule, args.votes)
            return 0
        shutil.copytree(CHAT, Path(directory) / CHAT.name)
        checkpoints = Checkpoints(Path(directory), torch.device("cpu"))
        labelling = Labelling(checkpoints, Votes(Path(directory) / FILE))
        labelling.learning.switch(who, settings, True)
        times = vote(labelling, who, rule, settings, args.votes, args.pace)
        report(labelling, who, rule, settings, times)
        labelling.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
