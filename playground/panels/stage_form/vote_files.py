"""Votes as something to learn from: whose, how many, whether they suffice, and as a file.

What is to be learned from is named by a text: "all votes", "votes by NAME", those of one criterion alone "votes on
CRITERION" and "votes on CRITERION by NAME", or the path of a file. "thumbs" are those under single answers.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from core.atomic_files import temporary_path
from core.config import plural
from core.datasets.preference_files import Preference, read_preferences, write_preferences
from core.datasets.thumb_pairs import split_thumbs
from core.datasets.thumbs import Thumb, count_thumbs, read_feedback, thumbs_of, write_thumbs
from core.preferences.vote_store import CRITERIA, Votes

EVERYONE, VOTES, THUMBS = "all votes", "votes", "thumbs"
KTO = "kto"  # the loss_type that reads single answers
FEW = 30  # decided votes; with fewer a model learns the votes, and no taste


def vote_choices(votes: Votes) -> list[tuple[str, str]]:
    """(what is read, its name) for everyone's votes and each annotator's; where they judged by several criteria, for
    each of these as well.
    """
    given = [vote for vote in votes.standing() if vote.choice != "skip"]
    people = Counter(vote.annotator for vote in given)
    found = [(f"{EVERYONE} ({people.total():,})", EVERYONE)]
    found += [(f"{name_votes(name)} ({count:,})", name_votes(name)) for name, count in people.most_common()]
    if thumbs := votes.thumbs.all():
        found.append((count_thumbs(thumbs), THUMBS))
    if len({vote.criterion for vote in given}) < 2:
        return found
    for criterion, judged in CRITERIA.items():
        own = Counter(vote.annotator for vote in given if vote.criterion == criterion)
        if own:
            found.append((f"{EVERYONE}, {judged} ({own.total():,})", name_votes("", criterion)))
        for name, count in own.most_common():
            found.append((f"{name_votes(name)}, {judged} ({count:,})", name_votes(name, criterion)))
    return found


def name_votes(annotator: str = "", criterion: str = "") -> str:
    """The name of the votes of an annotator, by a criterion; of all of them where none is given."""
    if not annotator and not criterion:
        return EVERYONE
    return VOTES + (f" on {criterion}" if criterion else "") + (f" by {annotator}" if annotator else "")


def named_votes(data: str) -> tuple[str, str] | None:
    """(annotator, criterion) of a name, "" where all are meant; None if `data` is the path of a file."""
    if data == EVERYONE:
        return "", ""
    for criterion in ("", *CRITERIA):
        beginning = name_votes("", criterion) if criterion else VOTES
        if criterion and data == beginning:
            return "", criterion
        if data.startswith(f"{beginning} by "):
            return data.removeprefix(f"{beginning} by "), criterion
    return None


def is_votes(data: str) -> bool:
    return named_votes(data) is not None


def check_kind(data: str, loss_type: str) -> None:
    """Raises ValueError if `data` names thumbs, and the loss reads pairs of answers."""
    if data == THUMBS and loss_type != KTO:
        raise ValueError("thumbs are about single answers: choose loss_type kto in DPO, or votes between two answers")


def read_votes(votes: Votes, data: str, skip_bad_lines: bool = False) -> list[Preference]:
    """What `data` names. Raises ValueError if it is a file that cannot be read, or thumbs."""
    check_kind(data, "")
    if named := named_votes(data):
        annotator, criterion = named
        return votes.preferences([annotator] if annotator else None, criteria=[criterion] if criterion else None)
    if not data:
        raise ValueError("choose the votes to learn from")
    found = read_preferences(data, skip_bad_lines)
    if found.why_none:
        raise ValueError(f"{found.name} holds no votes{found.why_none}")
    return found.pairs


def read_thumbs(votes: Votes, data: str, skip_bad_lines: bool = False) -> list[Thumb]:
    """What `data` says of single answers. Raises ValueError if it is a file that cannot be read."""
    if data == THUMBS:
        return votes.thumbs.all()
    if is_votes(data):
        return thumbs_of(read_votes(votes, data))
    return read_feedback(data, skip_bad_lines).as_thumbs


def describe_thumbs(thumbs: Sequence[Thumb]) -> str:
    """How many they are. Raises ValueError in words if KTO cannot learn from them."""
    split_thumbs(thumbs, "what you gave", 0.2, 0)
    few = f" So few tell no taste: some {FEW} or more are better." if len(thumbs) < FEW else ""
    prompts = len({thumb.asked for thumb in thumbs})
    return f"{count_thumbs(thumbs)}, on {plural(prompts, 'prompt')}.{few}"


def describe_votes(pairs: Sequence[Preference]) -> str:
    """How many they are, and whether that is enough. Raises ValueError in words if nothing can be learned from them."""
    ties, prompts = sum(pair.tie for pair in pairs), len({pair.asked for pair in pairs})
    decided = [pair for pair in pairs if not pair.tie]
    if not pairs:
        raise ValueError(
            "there are no votes yet: give some in the Label tab, load the example set there, or let a rule vote there"
        )
    if not decided:
        raise ValueError(
            f"{plural(len(pairs), 'vote')}, and none of them says that one answer is better: "
            "from ties alone nothing can be learned, so vote on in the Label tab"
        )
    if len({pair.asked for pair in decided}) < 2:
        raise ValueError(
            f"{plural(len(decided), 'vote')} with a better answer, on one prompt only: at least 2 prompts are needed, "
            "one to learn from and one to measure on, so vote on in the Label tab"
        )
    said = f"{plural(len(pairs), 'vote')} on {plural(prompts, 'prompt')}, {plural(ties, 'tie') if ties else 'no ties'}."
    if graded := sum(pair.margin > 0 for pair in pairs):
        said += f" {plural(graded, 'vote')} {'says' if graded == 1 else 'say'} how much better, which margin can use."
    if len(decided) < FEW:
        return (
            f"{said} So few can be learned by heart but tell no taste, and what is measured on the held-out ones is "
            f"chance: some {FEW} or more are better, and 200 are good."
        )
    return said


def write_votes(votes: Votes, data: str, directory: Path) -> str:
    """The path of a file with the votes or thumbs that `data` names, called by its content; a file stays as it is.

    Raises ValueError if nothing can be learned from the votes.
    """
    if not is_votes(data) and data != THUMBS:
        return data
    if data == THUMBS:
        thumbs = votes.thumbs.all()
        describe_thumbs(thumbs)
        return write_by_content(directory, THUMBS, lambda path: write_thumbs(path, thumbs))
    pairs = read_votes(votes, data)
    describe_votes(pairs)
    return write_by_content(directory, VOTES, lambda path: write_preferences(path, pairs))


def write_by_content(directory: Path, stem: str, write: Callable[[Path], object]) -> str:
    """The path of what `write` writes into the directory, called by its content."""
    directory.mkdir(parents=True, exist_ok=True)
    fresh = temporary_path(directory / stem)
    try:
        write(fresh)
        path = directory / f"{stem}-{hashlib.sha256(fresh.read_bytes()).hexdigest()[:8]}.jsonl"
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    return str(path)
