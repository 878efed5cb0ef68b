"""What a run has learned, as the live view shows it. What had to be measured now is kept by the page's process."""

from typing import Any

from core.skills.cut_out import cut_out
from core.skills.evaluation import SKILLS
from core.skills.of_run import Line, learned, measure
from core.skills.sentences import describe_cut, evidence, title, told_besides
from core.stages.registry import STAGES
from core.training.run_directory import Run
from playground.services.training_jobs import Jobs, stage


class RunSkills:
    """Of the runs of a directory."""

    def __init__(self, jobs: Jobs):
        self.jobs = jobs
        self.measured: dict[str, list[Line]] = {}  # by the run's directory

    def learned(self, name: str) -> dict[str, Any]:
        """Its skills by step, what else there is to say, and how much could be measured now; none of other stages."""
        run = self.jobs.run(name)
        known = STAGES.get(stage(run))
        if known is None or not known.skills:
            return {"skills": None}
        found = learned(run, self.measured.get(str(run.directory)))
        return {
            "skills": [
                {
                    "title": title(birth.which),
                    "sentence": SKILLS[birth.which.skill].sentence,
                    "step": birth.first.step,
                    "evidence": evidence(birth),
                    "head": birth.which.head,
                }
                for birth in found.births.born
            ],
            "told": told_besides(found),
            "last": found.evaluations[-1] if found.evaluations else None,
            "unmeasured": found.unmeasured[0],
        }

    def measure(self, name: str) -> dict[str, Any]:
        """The same, after what can be has been measured, from its snapshots or its samples."""
        run = self.jobs.run(name)
        self.measured[str(run.directory)] = measure(run)
        return self.learned(name)

    def cut_out(self, name: str, head: tuple[int, int]) -> dict[str, Any]:
        """A sentence: the loss with and without the head."""
        run: Run = self.jobs.run(name)
        return {"said": describe_cut(cut_out(run, head))}
