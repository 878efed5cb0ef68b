"""Models mixed of a checkpoint and its children: read, measured against KL, and kept with their lineage.

core/rlhf/task_vectors.py and core/rlhf/steering.py are the arithmetic. What is kept is a checkpoint like any other,
whose card says which child was added how much (`mixed`), what was left out, and which steering vector was added.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core import checkpoint
from core.atomic_files import claim
from core.chat_template import known_template
from core.checkpoint import CHAT_TEMPLATE, MIXED, Card, Checkpoint, is_checkpoint, read_card, weights_digest
from core.datasets.prompts import fitting_prompts, held_out_prompts
from core.method_points import Evaluator, Measured
from core.model import GPT
from core.preferences.pair_generation import PAIR_SAMPLING
from core.preferences.rule_annotators import rule_of
from core.rlhf.steering import SteeringVectors, steer
from core.rlhf.task_vectors import LEAST, MOST, check_alike, mix
from core.roots import find_model
from core.stages import registry

STAGE = "mix"  # of the card of what is kept
AMOUNTS = (-1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0)  # at which the picture of score against KL is measured
STRENGTHS = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0)  # the same, of a steering vector
MOST_STRENGTH = 10.0
PROMPTS = 50  # held-out ones, on which each point is measured

Load = Callable[[Path], Checkpoint[GPT]]


@dataclass(frozen=True)
class Mixture:
    """What is added to a parent; as it stands, nothing."""

    amounts: tuple[tuple[str, float], ...] = ()  # (name of a child, how much of what it has learned)
    off: frozenset[str] = frozenset()  # parts in which the parent stays as it is, see core/rlhf/task_vectors.py
    layer: int = 0  # behind which the steering vector is added, from 0
    strength: float = 0.0  # of the steering vector; 0: none

    def __post_init__(self) -> None:
        for name, a in self.amounts:
            if not LEAST <= a <= MOST:
                raise ValueError(f"the amount of {name} must be between {LEAST:g} and {MOST:g}, got {a:g}")
        if not abs(self.strength) <= MOST_STRENGTH:
            most = f"{MOST_STRENGTH:g}"
            raise ValueError(f"the strength of steering must be between -{most} and {most}, got {self.strength:g}")


@dataclass(frozen=True)
class Family:
    """A parent and children of it, all of one shape and with one vocabulary."""

    name: str  # of the parent
    parent: Checkpoint[GPT]  # with its children's vocabulary, which knows how turns are marked
    children: dict[str, Checkpoint[GPT]]
    digest: str  # sha256 of the parent's weights on disk


def dialled(child: str, a: float) -> Mixture | None:
    """The child's parent and so much of what it has learned; None where that is the child as it is."""
    return None if a == 1 else Mixture(((child, a),))


# --- reading --------------------------------------------------------------------------------------------------


def read_family(children: Sequence[Path], find: Callable[[str], Path], load: Load = checkpoint.load) -> Family:
    """The models in the directories `children`, and their parent. find: where a model of a name lies, or would.

    Raises ValueError in words if there is no child, they have no parent or not the same one, it is gone or has changed
    since, or a model cannot be mixed with it.
    """
    if not children:
        raise ValueError("name at least one model that was trained from another one")
    directory = find(parent_of(children))
    if not is_checkpoint(directory):
        raise ValueError(
            f"the parent of {children[0].name}, {directory.name}, is not there any more: restore it from the trash, or "
            "choose another model"
        )
    parent, digest = load(directory), weights_digest(directory)
    found = {path.name: load(path) for path in children}
    for name, child in found.items():
        check_child(name, child, directory.name, parent, digest)
    tokenizer = next(iter(found.values())).tokenizer
    return Family(directory.name, Checkpoint(parent.model, tokenizer, parent.card), found, digest)


def beside(child: Path) -> Callable[[str], Path]:
    """Where a model of a name lies: beside the child, else among the models."""
    return lambda name: there if (there := child.parent / name).is_dir() else find_model(name)


def parent_of(children: Sequence[Path]) -> str:
    """The name of the one parent of the models in these directories. Raises ValueError in words if there is none."""
    parents = {}
    for path in children:
        card = read_card(path / "card.json")
        if not card.parent or card.stage == "imported":
            raise ValueError(f"{path.name} was not made from another model here: choose one that was trained from one")
        parents[path.name] = card.parent
    (first, parent), *others = parents.items()
    for name, other in others:
        if other != parent:
            raise ValueError(
                f"{first} was made from {parent}, and {name} from {other}: only children of one parent can be mixed"
            )
    return parent


def check_child(name: str, child: Checkpoint[GPT], parent_name: str, parent: Checkpoint[GPT], digest: str) -> None:
    """Raise ValueError in words if the two cannot be mixed."""
    if child.tokenizer.digest != parent.tokenizer.digest:
        raise ValueError(
            f"{name} reads another vocabulary than its parent {parent_name} ({child.tokenizer.vocab_size:,} and "
            f"{parent.tokenizer.vocab_size:,} tokens), so that their weights cannot be mixed: choose another model"
        )
    try:
        check_alike(parent.model, child.model)
    except ValueError as error:
        raise ValueError(f"{name} cannot be mixed with its parent {parent_name}: {error}") from error
    if child.card.data.get("parent_sha256", digest) != digest:
        raise ValueError(
            f"{parent_name} has changed since {name} was made from it, so that what {name} has learned cannot be told: "
            f"put the old {parent_name} back, or choose another model"
        )


# --- mixing and measuring -------------------------------------------------------------------------------------


def mixed(family: Family, mixture: Mixture, steering: SteeringVectors | None = None) -> GPT:
    """The model that a mixture amounts to. steering: what is added where it has a strength."""
    added = [(family.children[name].model, a) for name, a in mixture.amounts]
    model = mix(family.parent.model, added, mixture.off)
    if not mixture.strength:
        return model
    if steering is None:
        raise ValueError("there is no steering vector: name votes from which it is to be made")
    if not 0 <= mixture.layer < len(steering.vectors):
        raise ValueError(f"layer must be between 1 and {len(steering.vectors)}, got {mixture.layer + 1}")
    return steer(model, mixture.layer, steering.vectors[mixture.layer], mixture.strength)


def evaluator(family: Family, rule: str, prompts: int = PROMPTS, seed: int = 0) -> Evaluator:
    """Measures mixtures: by a rule, on held-out prompts, and by how far they are from the parent."""
    model = family.parent.model
    room = PAIR_SAMPLING.max_new_tokens, model.config.block_size
    asked = fitting_prompts(family.parent.tokenizer, held_out_prompts(prompts), *room)
    return Evaluator(family.parent, rule_of(rule), asked, seed)


def sweep(
    family: Family, mixtures: Iterable[Mixture], measure: Evaluator, steering: SteeringVectors | None = None
) -> Iterator[tuple[Mixture, Measured]]:
    """Measure mixtures in turn, each on the same prompts and with the same random numbers."""
    for mixture in mixtures:
        yield mixture, measure.measure(mixed(family, mixture, steering))


# --- keeping --------------------------------------------------------------------------------------------------


def keep(directory: Path, family: Family, mixture: Mixture, steering: SteeringVectors | None = None) -> None:
    """Make a checkpoint of a mixture, whose card says what it is made of.

    The weights are written as they are, in 32 bits. Raises ValueError if the name is taken.
    """
    model, tokenizer = mixed(family, mixture, steering), family.parent.tokenizer
    data: dict[str, Any] = {MIXED: {name: a for name, a in mixture.amounts if a}, "parent_sha256": family.digest}
    if mixture.off:
        data["left out"] = sorted(mixture.off)
    if mixture.strength and steering:
        data["steering"] = {"layer": mixture.layer + 1, "strength": mixture.strength, "votes": steering.votes}
    template = known_template(tokenizer)
    if template and all(registry.answers(child.card) for child in family.children.values()):
        data[CHAT_TEMPLATE] = template.name
    with claim(directory):
        checkpoint.save(directory, model, tokenizer, Card(STAGE, family.name, data=data))


def describe(mixture: Mixture, family: Family) -> str:
    """What is mixed, for people: "bard-chat + 0.5 (bard-aligned - bard-chat)"."""
    text = family.name
    for name, a in mixture.amounts:
        if a:
            text += f" {'-' if a < 0 else '+'} {math.fabs(a):g} ({name} - {family.name})"
    if mixture.off:
        text += f", without {', '.join(sorted(mixture.off))}"
    if mixture.strength:
        text += f", steered by {mixture.strength:g} at layer {mixture.layer + 1}"
    return text
