"""From votes to a training: which settings of the Align tab learn from what was voted on here."""

from collections import Counter
from collections.abc import Sequence

from core.preferences.vote_store import Vote
from playground.panels.stage_form.vote_files import name_votes
from playground.services.checkpoints import Checkpoints


def training_settings(
    votes: Sequence[Vote], annotator: str, criterion: str, checkpoints: Checkpoints
) -> dict[str, str]:
    """The votes of `annotator` by the criterion as data; as parent the model whose answers they preferred most often.

    No parent if none of these models answers any more: the form's own then stays.
    """
    is_only = {vote.criterion for vote in votes} <= {criterion}
    preferred = Counter(vote.chosen.model for vote in votes if vote.decided and vote.criterion == criterion)
    answering = checkpoints.chat_names()
    parent = next((name for name, _ in preferred.most_common() if name in answering), None)
    return {"data": name_votes(annotator, "" if is_only else criterion)} | (
        {"parent": str(checkpoints.path(parent))} if parent else {}
    )
