"""The whole of RLHF at a small size: a rule votes on answers of the shipped chat model, which learns the rule."""

import pytest

from core import checkpoint
from tests.helpers.alignment import CHAT, measured, trained, voted


@pytest.mark.slow
@pytest.mark.longest
def test_sixty_votes_of_a_rule_bend_the_model_by_dpo_and_by_ppo(tmp_path):
    data, reference = voted(tmp_path, "question", 60), checkpoint.load(CHAT)
    before = measured(reference, reference, "question", 60, 5_000)
    once = dict(max_steps=20, eval_interval=20)  # what comes out counts, not the way
    reward = trained(tmp_path, "reward", data=str(data), **once)
    assert checkpoint.read_card(reward.directory / "card.json").report["accuracy/val"] >= 0.9
    trained(tmp_path, "dpo", data=str(data), learning_rate=2e-4, **once)
    ppo = dict(rollouts=32, batch_size=16, max_new_tokens=24, learning_rate=4e-4, max_steps=32, eval_interval=32)
    trained(tmp_path, "ppo", reward_model=str(reward.directory), **ppo)
    for stage in ("dpo", "ppo"):
        after = measured(checkpoint.load(tmp_path / stage), reference, "question", 60, 5_000)
        assert after.rate >= before.rate + 0.25, stage
        assert after.kl <= 15 and after.bits_per_byte <= 1.05 * before.bits_per_byte, stage
