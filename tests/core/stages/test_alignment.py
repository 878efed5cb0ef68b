"""The whole of RLHF at a small size: a rule votes on answers of a small chat model, which learns the rule.

What that makes of the shipped one: `python -m tests.benchmarks.alignment`.
"""

import pytest

from core import checkpoint
from tests.helpers.alignment import measured, trained, voted
from tests.helpers.small_chat import make_small_chat


@pytest.mark.slow
@pytest.mark.longest
def test_sixty_votes_of_a_rule_bend_the_model_by_dpo_and_by_ppo(tmp_path):
    parent = tmp_path / "small"
    make_small_chat(parent)
    data, reference = voted(tmp_path, "question", 60, parent), checkpoint.load(parent)
    before = measured(reference, reference, "question", 60, 5_000)
    common = dict(parent=str(parent), learning_rate=1e-3)
    once = common | dict(data=str(data), max_steps=20, eval_interval=20)  # what comes out counts, not the way
    reward = trained(tmp_path, "reward", **once)
    assert checkpoint.read_card(reward.directory / "card.json").report["accuracy/val"] >= 0.9
    trained(tmp_path, "dpo", **once)
    ppo = common | dict(rollouts=32, batch_size=16, max_new_tokens=24, max_steps=32, eval_interval=32)
    trained(tmp_path, "ppo", reward_model=str(reward.directory), **ppo)
    for stage in ("dpo", "ppo"):
        after = measured(checkpoint.load(tmp_path / stage), reference, "question", 60, 5_000)
        assert after.rate >= before.rate + 0.25, stage
        assert after.kl <= 10 and after.bits_per_byte <= 1.05 * before.bits_per_byte, stage
