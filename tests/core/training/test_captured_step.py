"""A step as CUDA graphs: taken for batches of one shape that keeps coming, and the same step."""

import pytest
import torch

from core.datasets.batch import Batch
from core.training.captured_step import WARM_UP, CapturedStep
from core.training.loop import FitConfig, fit, language_model_loss

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def batches(T: int, count: int, rows: int = 4) -> list[Batch]:
    generator = torch.Generator().manual_seed(0)
    drawn = [torch.randint(300, (rows, T + 1), generator=generator) for _ in range(count)]
    return [Batch(ids[:, :-1].contiguous(), ids[:, 1:].contiguous()) for ids in drawn]


class Rehearsed(CapturedStep):
    """Captures nothing."""

    captures = 0

    def capture(self, batch: Batch) -> None:
        self.captures += 1
        if batch.inputs.shape[1] == 9:
            raise RuntimeError("an operation that cannot be captured")
        self.is_captured = True


def test_it_is_captured_once_the_same_shape_has_come_a_few_times_and_fits_no_other():
    step = Rehearsed(lambda batch, total: {}, [], torch.device("cpu"))
    shapes = [8] * WARM_UP + [7] + [8] * WARM_UP + [8, 7, 8]
    assert [step.fits(batches(T, 1)[0]) for T in shapes] == [False] * (2 * WARM_UP + 1) + [True, False, True]
    assert step.captures == 1


def test_what_cannot_be_captured_is_tried_once_and_said(caplog):
    step = Rehearsed(lambda batch, total: {}, [], torch.device("cpu"))
    assert not any(step.fits(batches(9, 1)[0]) for _ in range(WARM_UP + 3))
    assert step.captures == 1 and "cannot be captured as a CUDA graph, so it stays slower" in caplog.text


@CUDA
@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("micro_batch_size", [0, 2])
def test_captured_steps_are_the_steps(make_model, monkeypatch, optimizer, micro_batch_size):
    data = batches(16, 12)
    data[9] = batches(10, 1)[0]  # of another shape, in the middle
    data[5].targets[:, :7] = -100  # fewer targets
    settings = FitConfig(max_steps=12, warmup_steps=4, batch_size=4, optimizer=optimizer, dtype="float32")
    settings = FitConfig(**{**settings.to_dict(), "micro_batch_size": micro_batch_size})
    results = []
    for most in (0, 1e15):
        monkeypatch.setattr("core.training.loop.MOST_FLOPS", most)
        model = make_model(dropout=0.1).cuda()
        logs = list(fit(model, data.__getitem__, language_model_loss, settings))
        results.append(([log.loss for log in logs], [log.grad_norm for log in logs], model.state_dict()))
    (losses, norms, weights), (captured_losses, captured_norms, captured_weights) = results
    assert captured_losses == pytest.approx(losses, rel=1e-3)
    assert captured_norms == pytest.approx(norms, rel=1e-2)
    for name, weight in weights.items():
        torch.testing.assert_close(captured_weights[name], weight, rtol=1e-2, atol=1e-3, msg=name)
