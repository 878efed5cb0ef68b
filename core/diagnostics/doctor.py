"""What is wrong with a training, said from its log: what was seen, what it means, and what to try.

Pure functions over the lines of metrics.jsonl. A rule must be sure before it speaks: a healthy run gets no finding,
at no moment of it. Which rules are asked is said by the run's stage: those about learning are in
core.diagnostics.loss_rules, those about the machine in machine_rules, those about a policy in rlhf_rules.

Losses are in nats a target.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from core.diagnostics.finding import Finding
from core.diagnostics.run_log import Rule, RunLog, RunState, rises
from core.training.run_directory import Status


def diagnose(
    lines: Sequence[dict[str, Any]],
    config: Mapping[str, Any],
    references: Mapping[str, float],
    status: Status,
    rules: Sequence[Rule],
    memory_total: float | None = None,
    usual_rate: float | None = None,
) -> list[Finding]:
    """What is wrong with a run, in the order of the rules; nothing if it is healthy.

    lines: of metrics.jsonl, by step. config: flat, with FitConfig's names. references: `uniform`, ln(number of classes
    or tokens), and `unigram`, the entropy of the training tokens, both in nats a target, as far as they are known.
    memory_total: MiB of the device. usual_rate: the learning rate with which such a model is known to learn, if any.
    """
    if not lines:
        return []
    log, uniform = RunLog.read(lines), references.get("uniform")
    run = RunState(
        log=log,
        lines=lines,
        config=config,
        uniform=uniform,
        unigram=references.get("unigram"),
        status=status,
        memory_total=memory_total,
        usual_rate=usual_rate,
        rises=rises(log, uniform),
    )
    return [found for rule in rules if (found := rule(run))]
