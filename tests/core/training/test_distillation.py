import pytest
import torch
from torch import Tensor

from core import linear_cross_entropy
from core.datasets.batch import Batch
from core.linear_cross_entropy import IGNORE_INDEX
from core.model import GPT
from core.training.distillation import distillation_loss


@pytest.fixture
def batch() -> Batch:
    ids = torch.randint(300, (3, 17), generator=torch.Generator().manual_seed(1))
    targets = ids[:, 1:].clone()
    targets[0, :5] = IGNORE_INDEX
    return Batch(ids[:, :-1], targets)


def by_hand(model: GPT, teacher: GPT, batch: Batch, weight: float) -> Tensor:
    """Row by row, from whole logits, as the equation has it."""
    total = torch.zeros(())
    ours, theirs = model(batch.inputs)[0].softmax(-1), teacher(batch.inputs)[0].softmax(-1)
    for p, q, target in zip(ours.flatten(0, 1), theirs.flatten(0, 1), batch.targets.flatten().tolist(), strict=True):
        if target != IGNORE_INDEX:
            total = total - (1 - weight) * p[target].log() - weight * (q.detach() * p.log()).sum()
    return total


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("rows", [7, 256])
def test_loss_and_gradients_are_the_equation_in_pieces_of_any_size(make_model, batch, weight, rows, monkeypatch):
    monkeypatch.setattr(linear_cross_entropy, "CPU_PIECE_ROWS", rows)
    model, teacher = make_model(std=0.1), make_model(std=0.2, n_embd=48)
    loss = distillation_loss(teacher, weight)(model, batch)
    loss.backward()
    found = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    expected = by_hand(model, teacher, batch, weight)
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad, rtol=1e-3, atol=1e-4)
    assert all(p.grad is None for p in teacher.parameters())


def test_without_a_share_the_teacher_is_not_heard(make_model, batch):
    model = make_model(std=0.1)
    loss = distillation_loss(make_model(std=0.2), 0.0)(model, batch)
    assert loss.item() == pytest.approx(model.summed_loss(batch.inputs, batch.targets).item(), rel=1e-5)


def test_a_teacher_reads_without_dropout(make_model, batch):
    model, teacher = make_model(std=0.1).eval(), make_model(std=0.2, dropout=0.5).train()
    loss = distillation_loss(teacher, 1.0)
    assert torch.equal(loss(model, batch), loss(model, batch))
