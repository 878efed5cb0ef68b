"""The whole of RLHF at a small size: a rule votes on answers of the shipped chat model, which learns the rule."""

import pytest

from core import checkpoint
from tests.helpers.alignment import CHAT, measured, trained, voted


@pytest.mark.slow
@pytest.mark.longest
def test_eighty_votes_of_a_rule_bend_the_model_by_dpo_and_by_ppo(tmp_path):
    data, reference = voted(tmp_path, "question", 80), checkpoint.load(CHAT)
    before = measured(reference, reference, "question", 100, 30_000)
    reward = trained(tmp_path, "reward", data=str(data), max_steps=40)
    assert checkpoint.read_card(reward.directory / "card.json").report["accuracy/val"] >= 0.9
    trained(tmp_path, "dpo", data=str(data), max_steps=40, eval_interval=40)  # what comes out counts, not the way
    ppo = dict(reward_model=str(reward.directory), max_steps=60, eval_interval=60, learning_rate=2e-4)
    trained(tmp_path, "ppo", **ppo)
    for stage in ("dpo", "ppo"):
        after = measured(checkpoint.load(tmp_path / stage), reference, "question", 100, 30_000)
        assert after.rate >= before.rate + 0.3, stage
        assert after.kl <= 15 and after.bits_per_byte <= 1.05 * before.bits_per_byte, stage
