"""The piecewise head and cross-entropy against PyTorch's on whole logits: value, gradients, and what they take up."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from core import linear_cross_entropy as cross_entropy
from core.linear_cross_entropy import IGNORE_INDEX, linear_cross_entropy

C = 8
SMALL, LARGE = 300, 1100  # vocabularies on both sides of SMALL_VOCABULARY
PADDED = {SMALL: 320, LARGE: 1152}


def problem(vocab_size: int, n_rows: int = 24) -> tuple[Tensor, Tensor, Tensor]:
    """x (2, T, C), a head whose padding rows would win every softmax, and targets (2, T)."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(2, n_rows // 2, C, generator=generator)
    head = torch.randn(PADDED[vocab_size], C, generator=generator)
    head[vocab_size:] = x.flatten(0, 1).mean(0) * 50
    targets = torch.randint(vocab_size, (2, n_rows // 2), generator=generator)
    return x.requires_grad_(), head.requires_grad_(), targets


def whole(x: Tensor, head: Tensor, targets: Tensor, vocab_size: int) -> Tensor:
    logits = (x @ head[:vocab_size].T).flatten(0, 1).float()
    return F.cross_entropy(logits, targets.flatten(), ignore_index=IGNORE_INDEX, reduction="sum")


@pytest.fixture
def rows_a_piece(monkeypatch):
    def rows_a_piece(rows: int) -> None:
        monkeypatch.setattr(cross_entropy, "PIECE_BYTES", rows * PADDED[LARGE] * 4)

    return rows_a_piece


class Made(TorchDispatchMode):
    """Notes the shape of every tensor that takes up new memory."""

    def __init__(self) -> None:
        super().__init__()
        self.shapes: list[torch.Size] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        made = func(*args, **(kwargs or {}))
        known = set(map(memory, tensors((args, kwargs))))
        self.shapes += [tensor.shape for tensor in tensors(made) if memory(tensor) not in known]
        return made

    @property
    def largest(self) -> int:
        return max(shape.numel() for shape in self.shapes)


def tensors(tree: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def memory(tensor: Tensor) -> int:
    return tensor.untyped_storage().data_ptr()


# --- the same numbers -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("masked", [[], [0, *range(5, 10), 23], range(24)], ids=["none", "a_piece_and_more", "all"])
@pytest.mark.parametrize(("vocab_size", "rows"), [(SMALL, 5), (LARGE, 5), (LARGE, 24)], ids=str)
def test_loss_and_gradients_equal_those_of_whole_logits(vocab_size, rows, masked, rows_a_piece):
    rows_a_piece(rows)  # 5: the last piece is shorter
    x, head, targets = problem(vocab_size)
    targets.view(-1)[list(masked)] = IGNORE_INDEX
    expected, loss = (f(x, head, targets, vocab_size) for f in (whole, linear_cross_entropy))
    torch.testing.assert_close(loss, expected)
    for gradient, wanted in zip(*(torch.autograd.grad(of / 7, (x, head)) for of in (loss, expected)), strict=True):
        torch.testing.assert_close(gradient, wanted)
        assert gradient.any() == (len(masked) < 24)


@pytest.mark.skipif(not hasattr(F, "linear_cross_entropy"), reason="came with torch 2.13")
@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize("vocab_size", [SMALL, LARGE])
def test_torchs_own_is_the_same_on_a_head_without_its_padding_rows(vocab_size, in_pieces, rows_a_piece):
    rows_a_piece(5)
    x, head, targets = problem(vocab_size)
    targets.view(-1)[3:9] = IGNORE_INDEX
    theirs = F.linear_cross_entropy(
        x.flatten(0, 1),
        head[:vocab_size],
        targets.flatten(),
        reduction="sum",
        ignore_index=IGNORE_INDEX,
        options=torch.nn.LinearCrossEntropyOptions() if in_pieces else None,
    )
    ours = linear_cross_entropy(x, head, targets, vocab_size)
    torch.testing.assert_close(ours, theirs)
    for gradient, wanted in zip(*(torch.autograd.grad(of, (x, head)) for of in (ours, theirs)), strict=True):
        torch.testing.assert_close(gradient, wanted)


@pytest.mark.parametrize("vocab_size", [SMALL, LARGE])
def test_in_bfloat16_it_is_as_precise_as_whole_logits(vocab_size, rows_a_piece):
    rows_a_piece(0)  # less than one row fits: one at a time, whose 400 gradients would add up the errors
    x, head, targets = problem(vocab_size, 400)
    exact = whole(x, head, targets, vocab_size)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = whole(x, head, targets, vocab_size)
        loss = linear_cross_entropy(x, head, targets, vocab_size)
    torch.testing.assert_close(loss, rounded)
    assert loss != exact  # it did round
    gradients = [torch.autograd.grad(of, (x, head)) for of in (exact, rounded, loss)]
    for wanted, rough, gradient in zip(*gradients, strict=True):
        assert (gradient - wanted).norm() < 1.1 * (rough - wanted).norm() < 0.01 * wanted.norm()


@pytest.mark.parametrize("function", [cross_entropy.loss_and_gradient, cross_entropy.loss_and_gradient_in_one])
def test_a_piece_gives_its_loss_and_the_gradient_by_its_logits(function):
    x, head, targets = (tensor.detach().flatten(0, -2) if tensor.dim() == 3 else tensor for tensor in problem(LARGE))
    targets = targets.flatten()
    targets[3:7] = IGNORE_INDEX
    logits = (x @ head.detach().T).requires_grad_()
    expected = F.cross_entropy(logits[:, :LARGE], targets, ignore_index=IGNORE_INDEX, reduction="sum")
    (wanted,) = torch.autograd.grad(expected, logits)
    loss, gradient = function(logits.detach().clone(), targets, LARGE, True)
    torch.testing.assert_close(loss, expected.detach())
    torch.testing.assert_close(gradient, wanted)
    assert function(logits.detach().clone(), targets, LARGE, False)[1] is None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_compiled_pieces_are_the_cross_entropy(dtype, monkeypatch):
    monkeypatch.setattr(cross_entropy, "COMPILED_PIECE_BYTES", 20 * PADDED[LARGE] * dtype.itemsize)  # the last: 8 rows
    x, head, targets = (tensor.detach().cuda() for tensor in problem(LARGE, 48))
    targets.view(-1)[:5] = IGNORE_INDEX
    exact = whole(x.requires_grad_(), head.requires_grad_(), targets, LARGE)
    with torch.autocast("cuda", dtype, enabled=dtype != torch.float32):
        loss = linear_cross_entropy(x, head, targets, LARGE)
    error = 1e-5 if dtype == torch.float32 else 0.02
    assert (loss - exact).abs() < error * exact
    for ours, theirs in zip(*(torch.autograd.grad(of / 7, (x, head)) for of in (loss, exact)), strict=True):
        assert (ours - theirs).norm() < error * theirs.norm()


def test_a_second_backward_pass_is_refused_rather_than_scaled_twice():
    x, head, targets = problem(LARGE)
    loss = linear_cross_entropy(x, head, targets, LARGE) / 7
    loss.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


# --- less memory ----------------------------------------------------------------------------------------------


def test_the_logits_of_a_large_vocabulary_never_exist_as_a_whole(rows_a_piece, monkeypatch):
    rows_a_piece(5)
    x, head, targets = problem(LARGE, 200)
    with Made() as made:
        linear_cross_entropy(x, head, targets, LARGE).backward()
    assert made.largest == head.numel() < 200 * LARGE / 20  # more than 5 rows of logits
    assert made.shapes.count(head.shape) == 1  # its gradient, summed up and scaled in place
    monkeypatch.setattr(cross_entropy, "SMALL_VOCABULARY", LARGE)
    with Made() as made:
        linear_cross_entropy(x, head, targets, LARGE).backward()
    assert made.largest >= 200 * LARGE


def test_pieces_are_small_on_a_cpu_and_large_where_they_are_compiled():
    assert [cross_entropy.piece_rows(W, None, "cpu") for W in (2048, 2**17, 2**25)] == [256, 128, 1]
    assert cross_entropy.piece_rows(2048, None, "mps") == 8192
    assert cross_entropy.piece_rows(50304, 2, "cuda") == 5336


@pytest.mark.parametrize("mode", [torch.inference_mode, torch.no_grad])
def test_no_gradient_is_made_where_none_is_wanted(mode):
    x, head, targets = problem(LARGE)
    with Made() as made:
        expected = linear_cross_entropy(x, head, targets, LARGE)
    assert head.shape in made.shapes
    with mode(), Made() as made:
        torch.testing.assert_close(linear_cross_entropy(x, head, targets, LARGE), expected.detach())
    assert head.shape not in made.shapes
