"""One key edited: the head then looks there, in the model's own pass, and no shorter change would do."""

import pytest
import torch

from core.interpretability import activations
from core.lessons.key_edit import (
    KeyChange,
    partial_output_error,
    pass_with_edited_key,
    strongest_head,
    tokens_for,
)
from core.model import GPT

IDS = [5, 17, 5, 80, 121, 17, 5]
QUERY = len(IDS) - 1


@pytest.mark.parametrize("key", [0, 3, QUERY])
@pytest.mark.parametrize("wanted", [0.05, 0.9])
def test_an_edited_key_has_the_wanted_share_in_a_pass_of_the_model(model: GPT, key: int, wanted: float) -> None:
    place = (1, 1)
    row = activations.steps(model, activations.trace(model, IDS), *place, QUERY)
    found = KeyChange.towards(row, QUERY, key, wanted)
    seen, weights = pass_with_edited_key(model, IDS, place, key, found.change)
    assert float(weights[1, 1, QUERY, key]) == pytest.approx(wanted, abs=1e-4)
    assert found.length == pytest.approx(float(found.change.norm() / row.k[key].norm()), rel=1e-4)
    unchanged = activations.attention(model, IDS)
    torch.testing.assert_close(weights[0], unchanged[0])  # earlier layers, and the other head of this one
    torch.testing.assert_close(weights[1, 0], unchanged[1, 0])
    torch.testing.assert_close(activations.trace(model, IDS).residual[:2], seen.residual[:2])


def test_no_shorter_change_would_do(model: GPT) -> None:
    row = activations.steps(model, activations.trace(model, IDS), 0, 0, QUERY)
    found = KeyChange.towards(row, QUERY, 2, 0.9)
    for seed in range(20):  # of the same length, in any other direction
        other = torch.randn(found.change.shape, generator=torch.Generator().manual_seed(seed))
        scores = row.scaled.clone()
        scores[2] += row.scale * float(row.q @ (other * found.change.norm() / other.norm()))
        assert float(scores.softmax(0)[2]) < 0.9


def test_a_key_that_is_not_seen_cannot_be_asked_for(model: GPT) -> None:
    row = activations.steps(model, activations.trace(model, IDS), 0, 0, 3)
    for query, key, wanted in ((3, 4, 0.9), (0, 0, 0.9), (3, 1, 1.0)):
        with pytest.raises(ValueError, match="choose a key that the query sees"):
            KeyChange.towards(row, query, key, wanted)


def test_the_heaviest_tokens_first_and_all_of_them_make_the_output(model: GPT) -> None:
    assert tokens_for(torch.tensor([0.1, 0.6, 0.05, 0.25]), 0.8) == [1, 3]
    assert tokens_for(torch.tensor([0.5, 0.5]), 0.9) == [0, 1]
    row = activations.steps(model, activations.trace(model, IDS), 1, 0, QUERY)
    assert partial_output_error(row, list(range(QUERY + 1))) < 1e-5
    assert partial_output_error(row, [0]) > 0.01


def test_the_strongest_head_of_a_pattern_is_found(model: GPT, monkeypatch: pytest.MonkeyPatch) -> None:
    def attention(_model: GPT, ids: list[int]) -> torch.Tensor:
        """All heads look at everything alike, but for one, which looks at the first token."""
        T = len(ids)
        weights = (torch.ones(T, T).tril() / torch.arange(1, T + 1)[:, None]).repeat(2, 2, 1, 1)
        weights[1, 0] = 0
        weights[1, 0, :, 0] = 1
        return weights

    monkeypatch.setattr(activations, "attention", attention)
    assert strongest_head(model, "first") == (1, 0)
