"""Attribution and patching against TransformerLens on the same weights."""

import pytest
import torch
from transformer_lens import patching
from transformer_lens.model_bridge import TransformerBridge
from transformers import AutoModelForCausalLM, AutoTokenizer

from core import checkpoint
from core.checkpoint import Card
from core.interpretability import activations
from core.interpretability.attribution import attribute
from core.interpretability.patching import PATCHES, make_pair
from core.model import GPT

CLEAN = [5, 290, 17, 17, 3, 101, 42]
CHANGED = [5, 290, 18, 17, 3, 7, 42]
ANSWER, OTHER = 9, 200
SHAPES = [dict(n_layer=3), dict(activation_function="gelu", qkv_bias=False, tie_word_embeddings=False)]
THEIRS = {
    "residual": patching.get_act_patch_resid_pre,  # before each block, not behind the last
    "heads": patching.get_act_patch_attn_head_out_all_pos,
    "mlp": patching.get_act_patch_mlp_out,
}


@pytest.fixture(scope="module", params=SHAPES, ids=["gpt2", "other"])
def models(make_model, tmp_path_factory, tokenizer, request) -> tuple[GPT, TransformerBridge]:
    """Ours and theirs, which has the layer norms' gains folded into the matrices behind them, as it reads logits."""
    directory = tmp_path_factory.mktemp("lens") / "model"
    checkpoint.save(directory, make_model(**request.param), tokenizer, Card())
    model = AutoModelForCausalLM.from_pretrained(directory, attn_implementation="eager", dtype=torch.float32).eval()
    bridge = TransformerBridge.boot_transformers(
        str(directory), hf_model=model, tokenizer=AutoTokenizer.from_pretrained(directory), device="cpu"
    )
    bridge.enable_compatibility_mode(center_writing_weights=False, center_unembed=False, fold_value_biases=False)
    bridge.set_use_attn_result(True)
    return checkpoint.load(directory).model, bridge


@torch.inference_mode()
@pytest.mark.parametrize("against", [None, OTHER])
def test_attribution_is_theirs(models: tuple[GPT, TransformerBridge], against: int | None) -> None:
    ours, theirs = models
    logits, cache = theirs.run_with_cache(torch.tensor([CLEAN]))
    stack, labels = cache.get_full_resid_decomposition(expand_neurons=False, pos_slice=-1, return_labels=True)
    added = cache.logit_attrs(stack, tokens=ANSWER, incorrect_tokens=against, pos_slice=-1).flatten().tolist()
    expected = dict(zip(labels, added, strict=True))

    found = attribute(ours, activations.trace(ours, CLEAN), -1, ANSWER, against)
    assert found.logit == pytest.approx(
        float(logits[0, -1, ANSWER] - (logits[0, -1, OTHER] if against else 0)), rel=1e-3
    )
    terms = {
        f"L{layer}H{head}": float(found.heads[layer, head])
        for layer in range(ours.config.n_layer)
        for head in range(ours.config.n_head)
    }
    terms |= {"embed": found.token_embedding, "pos_embed": found.position_embedding}
    assert terms == pytest.approx({name: expected.pop(name) for name in terms}, rel=1e-3, abs=1e-3)
    # What is left are MLPs, in which they leave the bias, and the other biases; that of the unembedding is in no term.
    rest = sum(expected.values()) + float(theirs.unembed.b_U[ANSWER] - (theirs.unembed.b_U[OTHER] if against else 0))
    assert float(found.mlps.sum()) + found.biases == pytest.approx(rest, rel=1e-3, abs=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize("kind", list(PATCHES))
def test_patching_is_theirs(models: tuple[GPT, TransformerBridge], kind: str) -> None:
    ours, theirs = models
    pair = make_pair(ours, activations.trace(ours, CLEAN), activations.trace(ours, CHANGED), ANSWER, OTHER)
    _, cache = theirs.run_with_cache(torch.tensor([CLEAN]))

    def share(logits: torch.Tensor) -> torch.Tensor:
        difference = logits[0, -1, ANSWER] - logits[0, -1, OTHER]
        return (difference - pair.changed_difference) / (pair.clean_difference - pair.changed_difference)

    expected = THEIRS[kind](theirs, torch.tensor([CHANGED]), cache, share)
    found = torch.stack([PATCHES[kind](ours, pair, layer) for layer in range(ours.config.n_layer)])
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-3)
