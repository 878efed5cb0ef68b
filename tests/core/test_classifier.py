"""The classifier is Hugging Face's, pads without a trace, and comes back from disk as what it was."""

import json

import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer, GPT2Config, GPT2ForSequenceClassification

from core import checkpoint
from core.checkpoint import Card
from core.classifier import SequenceClassifier
from core.datasets.classification import Encoded, Example

LABELS = ("comedy", "history", "Käfer")
TEXTS = ["To be, or not to be", "Tomorrow", "was ist der", "e"]
CARD = Card("classify", "parent", 7)


@pytest.fixture
def classifier(model) -> SequenceClassifier:
    made = SequenceClassifier.from_language_model(model, LABELS, seed=1).eval()
    torch.nn.init.normal_(made.score.weight, std=0.3, generator=torch.Generator().manual_seed(0))
    return made


@pytest.fixture
def saved(tmp_path, classifier, tokenizer):
    checkpoint.save(tmp_path / "saved", classifier, tokenizer, CARD)
    return tmp_path / "saved"


# --- Hugging Face ---------------------------------------------------------------------------------------------


@torch.inference_mode()
def test_hugging_face_gives_the_same_scores_for_texts_of_unequal_length(saved, classifier, tokenizer):
    theirs, report = AutoModelForSequenceClassification.from_pretrained(saved, output_loading_info=True)
    assert not any(report.values())  # nothing missing, unexpected or of another shape
    assert theirs.config.id2label == dict(enumerate(LABELS))
    padded = AutoTokenizer.from_pretrained(saved)(TEXTS, padding=True, return_tensors="pt")
    expected = theirs(**padded).logits
    batch = Encoded([Example(text, 0) for text in TEXTS], tokenizer, 16).batch(range(len(TEXTS)))
    inside = padded.attention_mask.bool()  # they fill up with another token, which nobody sees
    assert torch.equal(batch.inputs[inside], padded.input_ids[inside])
    last = padded.attention_mask.sum(1) - 1
    assert len(set(last.tolist())) == len(TEXTS)
    assert (classifier(batch.inputs, last) - expected).abs().max() < 1e-4


@pytest.mark.parametrize("labels", [["good", "bad", "ugly"], None], ids=["named", "without_names"])
@torch.inference_mode()
def test_we_open_what_hugging_face_saved(labels, tmp_path, tokenizer):
    torch.manual_seed(0)
    shape = dict(n_layer=2, n_head=2, n_embd=32, n_positions=16, vocab_size=300, bos_token_id=297, eos_token_id=297)
    names = dict(id2label=dict(enumerate(labels))) if labels else {}
    theirs = GPT2ForSequenceClassification(GPT2Config(**shape, **names, pad_token_id=297, initializer_range=0.3)).eval()
    theirs.save_pretrained(tmp_path)
    tokenizer.save(tmp_path)
    ours = checkpoint.load_classifier(tmp_path).model
    assert ours.labels == tuple(labels or ("LABEL_0", "LABEL_1"))
    idx = torch.arange(16)[None] * 18
    assert (theirs(idx).logits - ours(idx, torch.tensor([15]))).abs().max() < 1e-4


# --- padding, loss --------------------------------------------------------------------------------------------


def test_the_loss_of_a_padded_batch_is_the_sum_of_the_losses_of_its_texts(classifier, tokenizer):
    encoded = Encoded([Example(text, index % 3) for index, text in enumerate(TEXTS)], tokenizer, 16)
    whole = encoded.batch(range(4))
    apart = sum(classifier.summed_loss(b.inputs, b.targets) for b in (encoded.batch([i]) for i in range(4)))
    assert classifier.summed_loss(whole.inputs, whole.targets).item() == pytest.approx(apart.item(), rel=1e-5)
    by_hand = [-torch.tensor(classifier.predict(ids)[LABELS[i % 3]]).log().item() for i, ids in enumerate(encoded.ids)]
    assert apart.item() == pytest.approx(sum(by_hand), rel=1e-4)


def test_a_prediction_is_a_distribution_over_the_labels_and_reads_the_beginning_of_a_long_text(classifier):
    ids = [i % 250 for i in range(40)]
    likely = classifier.predict(ids)
    assert tuple(likely) == LABELS and sum(likely.values()) == pytest.approx(1)
    assert likely == classifier.predict(ids[:16]) != classifier.predict(ids[:15])
    with pytest.raises(ValueError, match="the text is empty"):
        classifier.predict([])
    with pytest.raises(ValueError, match="17 tokens do not fit into the context of 16"):
        classifier(torch.zeros(1, 17, dtype=torch.long), torch.tensor([16]))


def test_a_classifier_begins_with_a_copy_of_the_language_model(model):
    made = SequenceClassifier.from_language_model(model, LABELS, seed=1)
    again = SequenceClassifier.from_language_model(model, LABELS, seed=1)
    assert torch.equal(made.score.weight, again.score.weight)
    idx = torch.arange(16)[None] * 18
    assert torch.equal(made.eval().transformer(idx), model.transformer(idx))
    with torch.no_grad():
        made.transformer.wpe.weight += 1
    assert torch.equal(again.transformer.wpe.weight, model.transformer.wpe.weight)


# --- on disk --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"tie_word_embeddings": False, "qkv_bias": False}], ids=["gpt2", "book"])
def test_what_was_saved_comes_back_exactly(changes, tmp_path, make_model, tokenizer):
    classifier = SequenceClassifier.from_language_model(make_model(**changes), LABELS, seed=1)
    checkpoint.save(tmp_path / "new", classifier, tokenizer, CARD)
    for loaded in (checkpoint.load_classifier(tmp_path / "new"), checkpoint.load_any(tmp_path / "new")):
        assert (loaded.card, loaded.model.labels, loaded.model.config) == (CARD, LABELS, classifier.config)
        assert not loaded.model.training
        before, after = classifier.state_dict(), loaded.model.state_dict()
        assert before.keys() == after.keys()
        assert all(torch.equal(after[name][: len(before[name])], before[name]) for name in before)


def test_each_kind_is_refused_in_words_where_the_other_is_needed(saved, tmp_path, model, tokenizer):
    with pytest.raises(ValueError, match="saved is a classifier: it writes no text; choose a language model"):
        checkpoint.load(saved)
    checkpoint.save(tmp_path / "writes", model, tokenizer, Card())
    with pytest.raises(ValueError, match="writes is a language model: it names no class; choose a classifier"):
        checkpoint.load_classifier(tmp_path / "writes")
    kinds = [(checkpoint.is_language_model(d), checkpoint.is_classifier(d)) for d in (saved, tmp_path / "writes")]
    assert kinds == [(False, True), (True, False)]
    assert not checkpoint.is_classifier(tmp_path) and not checkpoint.is_language_model(tmp_path)


@pytest.mark.parametrize("labels", [{"0": "a", "2": "b"}, ["a", "b"], {"0": "a", "1": "b"}], ids=str)
def test_labels_that_do_not_fit_are_told(saved, labels):
    path = saved / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"id2label": labels}), encoding="utf-8")
    with pytest.raises(ValueError, match=r"id2label must give|score.weight is \(3, 32\), but .*config.json makes it"):
        checkpoint.load_classifier(saved)


def test_the_digest_of_weights_changes_with_them_alone(saved, classifier, tokenizer):
    before = checkpoint.weights_digest(saved)
    checkpoint.save(saved, classifier, tokenizer, Card(step=8))
    assert checkpoint.weights_digest(saved) == before
    with torch.no_grad():
        classifier.score.weight[0, 0] += 1
    checkpoint.save(saved, classifier, tokenizer, CARD)
    assert checkpoint.weights_digest(saved) != before
