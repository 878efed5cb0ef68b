"""What was learned, in words."""

from collections.abc import Sequence

from core.config import plural
from core.skills.cut_out import CutOut
from core.skills.evaluation import SKILLS
from core.skills.heads import HEAD_SKILLS
from core.skills.of_run import Learned
from core.skills.skill import Birth, Seen, Which

WHERE = "on random tokens said twice"


def title(which: Which) -> str:
    """ "induction: layer 2, head 4" or "spelling"."""
    named = SKILLS[which.skill].title
    return named if which.head is None else f"{named}: layer {which.head[0] + 1}, head {which.head[1] + 1}"


def evidence(birth: Birth) -> str:
    """What was seen at the evaluation before, at the first one that showed it, and at the next."""
    shown = [describe_seen(birth.which, birth.first), f"at step {birth.before.step:,}: {short(birth.before)}"]
    shown.append(f"at step {birth.again.step:,}: {short(birth.again)}")
    example = f" For example: {birth.first.example}." if birth.first.example else ""
    return f"{'; '.join(shown)}.{example}"


def percent(share: float | None) -> str:
    return f"{round(100 * (share or 0.0))} %"


def describe_seen(which: Which, seen: Seen) -> str:
    counted = SKILLS[which.skill].counted
    if which.skill in HEAD_SKILLS:
        return (
            f"{percent(seen.value)} of the way from looking at everything alike to looking only at {counted}, {WHERE}"
        )
    interval = f"95 % interval {100 * seen.low:.0f} to {percent(seen.high)}"
    return f"{seen.count} of {seen.of} {counted} ({percent(seen.value)}, {interval})"


def short(seen: Seen) -> str:
    if seen.value is None:
        return "nothing of the kind"
    return percent(seen.value) if not seen.of else f"{seen.count} of {seen.of}"


def describe_cut(found: CutOut) -> str:
    """Of a head that was cut out."""
    said = f"The loss on held-out text goes from {found.whole:.3f} to {found.without:.3f} nats a token without it"
    return (
        f"{said} ({found.difference:+.3f}, 95 % interval {found.low:+.3f} to {found.high:+.3f}; {found.blocks} blocks, "
        f"{found.tokens:,} tokens, weights of step {found.step:,})."
    )


def told_besides(found: Learned) -> list[str]:
    """How often it was looked, what came and went, and what cannot be told."""
    n, (more, kind) = len(found.evaluations), found.unmeasured
    can = [f"It can be measured now, from {plural(more, kind)}."] if more else []
    if not n:
        return ["Nothing was measured while it was trained.", *can, *found.missing]
    sentences = [f"{plural(n, 'evaluation')}, from step {found.evaluations[0]:,} to {found.evaluations[-1]:,}."]
    if not found.births.born:
        sentences.append("Nothing was seen to begin: it takes two evaluations in a row, and one before without it.")
    if gone := [title(which) for which in found.births.unsteady]:
        sentences.append(f"Came and went, so not counted: {', '.join(gone)}.")
    return [*sentences, *can, *found.missing]


def learned_sentence(births: Sequence[Birth]) -> str:
    """One line: "line breaks (step 250), induction in 2 heads (from step 1,500)"; "" if nothing."""
    parts = []
    for name, skill in SKILLS.items():
        steps = [birth.first.step for birth in births if birth.which.skill == name]
        if not steps:
            continue
        heads = f" in {len(steps)} head{'s' if len(steps) > 1 else ''}" if name in HEAD_SKILLS else ""
        parts.append(f"{skill.title}{heads} ({'from ' if len(steps) > 1 else ''}step {min(steps):,})")
    return ", ".join(parts)
