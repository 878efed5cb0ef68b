"""Model cards: the checkpoints as the Models tab shows them, with a family tree, what differs, who wins."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from core.evaluation.report_card import figures
from core.model_card import last_samples
from core.preferences.agreement import by_models, model_wins
from core.preferences.arena import Result, outcomes, results, standings
from core.preferences.vote_store import Votes
from core.stages.registry import checkpoint_settings
from core.training.long_log import LongLog
from core.training.run_directory import Run
from core.workspace import Workspace, differences
from core.workspace_entry import Entry
from playground.services.run_log import rounded, table
from playground.ui.palette import ORANGE, SKY

CURVE = 200  # points of the small picture of a loss
WRITES = ("language model", "chat model")  # kinds of checkpoints that write texts
MEASURED = (*WRITES, "classifier")  # kinds that have a report card
COLORS = {"loss/train": SKY, "loss/val": ORANGE}
# The one figure by which models of a kind are compared, the best first, and what it is. Losses are none: they are of
# different texts.
TELLING = {
    "language model": {"bpb/plays": "bits per byte (plays)", "bpb/val": "bits per byte (own text)"},
    "chat model": {
        "follow/all": "instructions followed",
        "score/val": "mean score",
        "accuracy/val": "held-out votes right",
    },
    "classifier": {"accuracy/val": "held-out texts right"},
    "reward model": {"accuracy/val": "held-out votes right"},
}


class ModelCards:
    def __init__(self, library: Workspace, votes: Votes):
        self.library, self.votes = library, votes

    def overview(self) -> dict[str, Any]:
        """All checkpoints in short, their family tree, the trash, and the disk."""
        entries = self.library.entries()
        return {
            "cards": [short(entry) for entry in entries],
            "tree": family(entries),
            "trash": [asdict(thrown) for thrown in self.library.thrown_away()],
            "disk": self.library.disk(),
            "clashes": [str(path) for path in self.library.roots.clashes()],
        }

    def details(self, name: str) -> dict[str, Any]:
        """One checkpoint whole: lineage, settings, curve, report card, votes."""
        entry = self.library.entry(name)
        card = entry.card
        return {
            **short(entry),
            "facts": facts(entry),
            "settings": sorted((key, format_value(value)) for key, value in card.config.items()),
            "report": describe_report(card.report),
            "wins": self.wins(name),
            "note": card.note,
            "samples": last_samples(self.library.path(name)),
            "curve": curve(self.library.path(name)),
        }

    def wins(self, name: str) -> list[dict[str, Any]]:
        """How often it won against each model that it met in votes."""
        votes = by_models(vote for vote in self.votes.standing(writer=name) if vote.choice != "skip")
        met = {other: found for models, found in votes.items() for other in models - {name, ""}}
        rates = {other: asdict(model_wins(met[other], name, other)) for other in sorted(met)}
        return [{"name": f"against {other}", "of": "votes", **rate} for other, rate in rates.items()]

    def compare(self, a: str, b: str) -> list[tuple[str, str, str]]:
        """(what, in a, in b) wherever two checkpoints differ: settings, data, report card."""
        if a == b:
            raise ValueError("choose two different models: one does not differ from itself")
        both = [describe_entry(self.library.entry(name)) for name in (a, b)]
        return [(key, format_value(x), format_value(y)) for key, x, y in differences(*both)]

    def arena(self) -> dict[str, Any]:
        """Bradley-Terry scores of all models between which somebody has voted, and how often each beat each other."""
        found: list[Result] = results(self.votes.standing())
        ranked = standings(found)
        return {
            "standings": [asdict(standing) for standing in ranked],
            "matrix": outcomes([standing.model for standing in ranked], found),
        }


def short(entry: Entry) -> dict[str, Any]:
    return {
        "name": entry.name,
        "kind": entry.kind,
        "trouble": entry.trouble,
        "stage": entry.card.stage,
        "weights": entry.weights,
        "size": entry.size,
        "figure": telling_figure(entry),
        "read_only": entry.read_only,
    }


def telling_figure(entry: Entry) -> dict[str, Any] | None:
    """The figure by which a model is compared with others of its kind, if it has one."""
    measured = {one["key"]: one for one in describe_report(entry.card.report)}
    known = TELLING.get(entry.kind, {}).items()
    return next((measured[key] | {"name": name} for key, name in known if key in measured), None)


def facts(entry: Entry) -> list[tuple[str, str]]:
    """What a reader asks first, in words."""
    card, shape = entry.card, entry.shape
    found = (
        [("made by", f"{card.stage}, {card.step:,} steps" if card.step else card.stage)] if not entry.trouble else []
    )
    found += [(role, name) for role, name in entry.parents.items()]
    if shape:
        size = "{n_layer} layers, {n_head} heads, {n_embd} wide, context {block_size}".format(**shape)
        found += [("shape", size), ("vocabulary", f"{shape['vocab_size']:,} tokens")]
        found.append(("made", card.created.replace("T", " ").removesuffix("Z") + " UTC"))
    named = checkpoint_settings()  # are among the parents already
    data = {key: value for key, value in card.data.items() if not key.endswith("sha256") and key not in named}
    found += [(key, format_value(value)) for key, value in data.items()]
    return found


def describe_report(report: dict[str, float]) -> list[dict[str, Any]]:
    """A report card's figures in the order in which they are declared; shares with n and interval, as far as known."""
    return [
        {
            "key": one.metric.key,
            "name": one.metric.meaning,
            "value": rounded(one.value),
            "share": one.metric.unit == "share",
            "count": one.count,
            "of": one.of,
        }
        | ({"low": one.rate.low, "high": one.rate.high} if one.rate else {})
        for one in figures(report)
    ]


def curve(directory: Path) -> dict[str, list[Any]]:
    """The losses of its training, thinned: columns step, loss/train, loss/val; empty if there is no log."""
    log = Run(directory).metrics
    columns = table(LongLog(log).read().lines, CURVE)["columns"]
    return {key: columns[key] for key in ("step", "loss/train", "loss/val") if key in columns}


def describe_entry(entry: Entry) -> dict[str, Any]:
    """All that can be compared, flat."""
    card = entry.card
    whole = {"kind": entry.kind, "stage": card.stage, "step": card.step, "weights": entry.weights}
    parents = {f"from: {role}": name for role, name in entry.parents.items()}
    data = {f"data: {key}": value for key, value in card.data.items()}
    report = {f"report: {one.metric.meaning}": str(one) for one in figures(card.report)}
    shape = {key: value for key, value in entry.shape.items() if key not in card.config}
    return whole | parents | shape | card.config | data | report


def format_value(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, str) and len(value) == 64 and not set(value) - set("0123456789abcdef"):
        return f"{value[:8]}…"  # a sha256
    if isinstance(value, dict):
        return ", ".join(f"{key} {format_value(one)}" for key, one in value.items()) or "nothing"
    if isinstance(value, list):
        return ", ".join(map(format_value, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


# --- the family tree ------------------------------------------------------------------------------------------


def family(entries: list[Entry]) -> dict[str, Any]:
    """Who comes from whom: nodes {id, name, kind, here} and edges {from, to, role}.

    A vocabulary is a node of its own, even one that has no directory; so are a parent that is gone, and what was
    imported from elsewhere.
    """
    nodes = {entry.name: {"id": entry.name, "name": entry.name, "kind": entry.kind, "here": True} for entry in entries}
    edges = []
    for entry in entries:
        for role, parent in entry.parents.items():
            kind, name = ("elsewhere", Path(parent).name) if entry.card.stage == "imported" else ("gone", parent)
            nodes.setdefault(parent, {"id": parent, "name": name, "kind": kind, "here": False})
            edges.append({"from": parent, "to": entry.name, "role": role})
        if "parent" not in entry.parents and entry.kind != "vocabulary" and entry.shape:
            edges.append({"from": vocabulary_of(entry, nodes), "to": entry.name, "role": "vocabulary"})
    return {"nodes": list(nodes.values()), "edges": edges}


def vocabulary_of(entry: Entry, nodes: dict[str, dict[str, Any]]) -> str:
    """The id of the node of an entry's vocabulary, made if it is not there."""
    setting = str(entry.card.config.get("tokenizer") or "")
    name = Path(setting).name
    if name in nodes and nodes[name]["kind"] == "vocabulary":
        return name
    digest = str(entry.card.data.get("vocabulary_sha256", ""))[:8] or entry.name
    title = "GPT-2's vocabulary" if setting == "gpt2" else f"{entry.shape['vocab_size']:,} tokens"
    node = f"vocabulary {digest}"
    nodes.setdefault(node, {"id": node, "name": title, "kind": "vocabulary", "here": False})
    return node
