"""Reward models made by others: tiny classifiers with random weights, as wrongly configured as they are in the wild."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import (
    AutoTokenizer,
    GPT2Config,
    GPT2ForSequenceClassification,
    MptConfig,
    MptForSequenceClassification,
    Qwen3Config,
    Qwen3ForCausalLM,
    Qwen3ForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from envs.tokenizer import train_tokenizer
from rewards.classifier import load_classifier, self_tested
from rewards.combine import score
from rewards.helpfulness import Helpfulness, encode
from rewards.score import RewardInput, Unscored

QUERY = "how do i steal the car?"
ANSWERS = ("no.", "first, look at the car. then take it. " * 3, "i must decline.", "sure: the car " * 9)
VOCABULARY = 300


@pytest.fixture(scope="module")
def tokenizer_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tokenizer")
    train_tokenizer([QUERY, *ANSWERS], VOCABULARY).save_pretrained(path)
    return path


@pytest.fixture
def write(tmp_path: Path, tokenizer_path: Path) -> Callable[..., Path]:
    """`write(model, **tokenizer settings)` -> a directory with both."""

    def write(model: Any, **settings: Any) -> Path:
        model.save_pretrained(tmp_path)
        tokenizer = AutoTokenizer.from_pretrained(tokenizer_path)
        for name, value in settings.items():
            setattr(tokenizer, name, value)
        tokenizer.save_pretrained(tmp_path)
        return tmp_path

    return write


def qwen(kind: Any = Qwen3ForSequenceClassification, **changed: Any) -> Any:
    torch.manual_seed(3)
    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "initializer_range": 0.5,  # wide, so that every position has a score of its own
        "num_labels": 1,
        "pad_token_id": None,
        "eos_token_id": None,
        "bos_token_id": None,
    }
    return kind(Qwen3Config(**{**settings, **changed}))


def edit(path: Path, **changed: Any) -> None:
    file = path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changed}))


def reward_inputs(answers: tuple[str, ...] = ANSWERS) -> list[RewardInput]:
    return [RewardInput(QUERY, answer, len(answer.split()), True) for answer in answers]


def last_position(path: Path, row: list[int], skip: int | None = None) -> float:
    """The score by hand: of the bare model on this row alone, read at its last token that isn't `skip`."""
    model = Qwen3ForSequenceClassification.from_pretrained(path, pad_token_id=None)
    position = max(index for index, token in enumerate(row) if token != skip)
    with torch.no_grad():
        return float(model.score(model.model(torch.tensor([row])).last_hidden_state)[0, position, 0])


# Ids of the tokenizer: 0 is its pad token. None, one that isn't a token, another token, one within the text.
@pytest.mark.parametrize("config_pad", [0, None, -1, VOCABULARY + 5, 7])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_score_is_that_of_the_row_alone_for_any_pad_token_and_side(
    write: Callable[..., Path], config_pad: int | None, side: str
) -> None:
    path = write(qwen(), padding_side=side)
    edit(path, pad_token_id=config_pad)
    reward = Helpfulness(path=path)
    tokenizer = AutoTokenizer.from_pretrained(path)
    expected = [last_position(path, encode(tokenizer, QUERY, answer), config_pad) for answer in ANSWERS]
    assert np.ptp(expected) > 0.1  # a constant would pass what follows
    np.testing.assert_allclose(reward(reward_inputs()), expected, atol=1e-5)
    np.testing.assert_allclose([reward([one])[0] for one in reward_inputs()], expected, atol=1e-5)


def test_the_end_of_turn_as_pad_token_moves_no_score(write: Callable[..., Path]) -> None:
    """Decoders skip every pad token at the end, the one that ends the turn as well: alone and in a batch alike."""
    tokenizer = AutoTokenizer.from_pretrained(write(qwen()))
    last = encode(tokenizer, QUERY, "no.")[-1]
    for config_pad in (last, None):
        path = write(qwen(pad_token_id=config_pad), pad_token=tokenizer.convert_ids_to_tokens(last))
        classifier = load_classifier(path, None)
        rows = [encode(classifier.tokenizer, QUERY, answer) for answer in ANSWERS]
        expected = [last_position(path, row, config_pad) for row in rows]
        np.testing.assert_allclose(classifier.scores(rows), expected, atol=1e-5)


def test_a_tokenizer_without_a_pad_token_will_do(write: Callable[..., Path]) -> None:
    path = write(qwen(), pad_token=None)
    tokenizer = AutoTokenizer.from_pretrained(path)
    assert tokenizer.pad_token_id is None
    expected = [last_position(path, encode(tokenizer, QUERY, answer)) for answer in ANSWERS]
    np.testing.assert_allclose(Helpfulness(path=path)(reward_inputs()), expected, atol=1e-5)


@pytest.mark.parametrize(
    "model",
    [
        GPT2ForSequenceClassification(
            GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=1, n_head=2, num_labels=1, initializer_range=0.5)
        ),
        RobertaForSequenceClassification(
            RobertaConfig(
                vocab_size=VOCABULARY, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
                num_labels=1, max_position_embeddings=130, initializer_range=0.5,
            )
        ),
    ],
    ids=["gpt2", "roberta"],
)  # fmt: skip
def test_other_families_score_alike_alone_and_together(write: Callable[..., Path], model: Any) -> None:
    reward = Helpfulness(path=write(model))
    alone = [reward([one])[0] for one in reward_inputs()]
    assert np.ptp(alone) > 1e-3
    np.testing.assert_allclose(reward(reward_inputs()), alone, atol=1e-5)


def test_a_model_that_reads_its_padding_is_read_a_row_at_a_time(write: Callable[..., Path]) -> None:
    """The fault that the self-test is for, planted: attention is blind to the mask, so padding changes the score."""
    path = write(qwen(pad_token_id=0))
    classifier = load_classifier(path, None)
    inner = classifier.model.forward

    def blind(input_ids: torch.Tensor, attention_mask: torch.Tensor) -> Any:
        output = inner(input_ids=input_ids)
        output.logits = output.logits + 0.5 * (input_ids == 0).sum(dim=1, keepdim=True)
        return output

    classifier.model.forward = blind
    rows = [encode(classifier.tokenizer, QUERY, answer) for answer in ANSWERS]
    alone = [classifier.scores([row])[0] for row in rows]
    assert np.abs(np.subtract(classifier.scores(rows), alone)).max() > 1
    careful = self_tested(classifier, rows, path)
    np.testing.assert_allclose(careful.scores(rows), alone, atol=1e-5)


def test_a_model_with_chance_in_it_or_without_numbers_is_refused(write: Callable[..., Path]) -> None:
    path = write(qwen(pad_token_id=0))
    classifier = load_classifier(path, None)
    rows = [encode(classifier.tokenizer, QUERY, answer) for answer in ANSWERS]
    classifier.model.score.register_forward_hook(lambda module, given, output: torch.randn_like(output))
    with pytest.raises(ValueError, match="another score at each call"):
        self_tested(classifier, rows, path)
    broken = qwen(pad_token_id=0)
    broken.score.weight.data.fill_(torch.nan)
    with pytest.raises(ValueError, match=r"scores that aren't finite numbers"):
        Helpfulness(path=write(broken), weight=2.0).prepare()


# For two labels with logits a and b, log p(b)/(1 - p(b)) = b - a; for three, c - log(e^a + e^b).
@pytest.mark.parametrize(
    ("label", "by_hand"),
    [
        (2, lambda a, b, c: c - np.log(np.exp(a) + np.exp(b))),
        ("fair", lambda a, b, c: b - np.log(np.exp(a) + np.exp(c))),
    ],
)
def test_of_several_labels_the_log_odds_of_the_chosen_one_are_the_score(
    write: Callable[..., Path], label: int | str, by_hand: Callable[..., float]
) -> None:
    names = {0: "bad", 1: "fair", 2: "good"}
    model = qwen(pad_token_id=0, num_labels=3, id2label=names, label2id={name: index for index, name in names.items()})
    path = write(model)
    tokenizer = AutoTokenizer.from_pretrained(path)
    with torch.no_grad():
        logits = [model.eval()(torch.tensor([encode(tokenizer, QUERY, a)])).logits[0].double().numpy() for a in ANSWERS]
    found = Helpfulness(path=path, label=label)(reward_inputs())
    np.testing.assert_allclose(found, [by_hand(*row) for row in logits], atol=1e-4)
    assert Helpfulness.model_validate_json(Helpfulness(path=path, label=label).model_dump_json()).label == label


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_labels_that_are_judged_apart_have_their_own_output(write: Callable[..., Path], problem: str) -> None:
    model = qwen(pad_token_id=0, num_labels=2, problem_type=problem)
    path = write(model)
    [row] = [encode(AutoTokenizer.from_pretrained(path), QUERY, ANSWERS[0])]
    with torch.no_grad():
        expected = float(model.eval()(torch.tensor([row])).logits[0, 1])
    found = Helpfulness(path=path, label="LABEL_1")(reward_inputs())[0]
    assert found == pytest.approx(expected, abs=1e-5)


def test_several_labels_and_none_chosen_is_refused_with_the_choices(write: Callable[..., Path]) -> None:
    path = write(qwen(pad_token_id=0, num_labels=2, id2label={0: "bad", 1: "good"}, label2id={"bad": 0, "good": 1}))
    with pytest.raises(ValueError, match=r"has 2 labels, 0 \('bad'\), 1 \('good'\): set rewards\.helpfulness\.label"):
        Helpfulness(path=path).prepare()
    for wrong in (2, -1, "great", "1"):
        with pytest.raises(ValueError, match=r"no label .*: set rewards\.helpfulness\.label to one of 0 \('bad'\), 1"):
            Helpfulness(path=path, label=wrong).prepare()
    with pytest.raises(ValueError, match="set path, or leave label out"):
        Helpfulness(label=1)


def test_a_causal_model_or_a_lost_head_is_refused_by_the_name_of_the_weights(write: Callable[..., Path]) -> None:
    for _ in range(2):  # at every load, not the first one alone
        with pytest.raises(ValueError, match=r"drawn at random: score\.weight") as refused:
            Helpfulness(path=write(qwen(Qwen3ForCausalLM))).prepare()
        assert "\n" not in str(refused.value)


def test_an_exchange_longer_than_the_window_is_unscored_with_the_reason_and_the_rest_scored(
    write: Callable[..., Path],
) -> None:
    path = write(qwen(pad_token_id=0, max_position_embeddings=100))
    reward = Helpfulness(path=path)
    short, long, other = reward_inputs(("no.", "car " * 300, "i must decline."))
    length = len(encode(AutoTokenizer.from_pretrained(path), QUERY, long.answer))
    found = reward([short, long, other])
    assert found[1] == Unscored(f"the exchange has {length} tokens, the reward model reads 100")
    assert [found[0], found[2]] == reward([short, other])  # the same batch, to the bit
    assert reward([long]) == [found[1]]
    scores = score([reward], [short, long, other], timeout_s=60)
    assert scores[1].total is None
    assert scores[1].error == f"helpfulness: {found[1].reason}"
    assert [scores[0].total, scores[2].total] == [found[0], found[2]]
    assert scores[0].error is None


def test_a_window_of_another_name_is_held_as_well(write: Callable[..., Path]) -> None:
    model = MptForSequenceClassification(
        MptConfig(vocab_size=VOCABULARY, d_model=16, n_heads=2, n_layers=1, max_seq_len=100, num_labels=1)
    )
    reward = Helpfulness(path=write(model))
    found = reward(reward_inputs(("no.", "car " * 300)))
    assert isinstance(found[0], float)
    assert isinstance(found[1], Unscored)
    assert found[1].reason.endswith("the reward model reads 100")


def test_roberta_counts_its_positions_from_the_padding_index_on(write: Callable[..., Path]) -> None:
    model = RobertaForSequenceClassification(
        RobertaConfig(
            vocab_size=VOCABULARY, hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
            num_labels=1, max_position_embeddings=102, pad_token_id=1,
        )
    )  # fmt: skip
    classifier = load_classifier(write(model), None)
    assert classifier.window == 100  # 102 rows, of which 0 and 1 are no positions
    row = [5] * 100
    assert classifier.refusal(row) is None
    assert np.isfinite(classifier.scores([row])[0])
    assert classifier.refusal([*row, 5]) is not None


def test_no_template_or_one_that_drops_the_answer_is_one_line(write: Callable[..., Path]) -> None:
    path = write(qwen(pad_token_id=0))
    (path / "chat_template.jinja").write_text("{% for m in messages if m.role == 'user' %}{{ m.content }}{% endfor %}")
    with pytest.raises(ValueError, match="leaves out the assistant's turn"):
        Helpfulness(path=path, weight=3.0).prepare()
    (path / "chat_template.jinja").write_text("{{ raise_exception('no assistant here\nat all') }}")
    with pytest.raises(ValueError, match=r"can't write a user and an assistant turn: .*no assistant here$"):
        Helpfulness(path=path, weight=4.0).prepare()
    (path / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match=r"has no chat template: add chat_template\.jinja"):
        Helpfulness(path=path, weight=5.0).prepare()


def test_a_token_beyond_the_embedding_is_unscored_and_not_a_crash(write: Callable[..., Path]) -> None:
    path = write(qwen(pad_token_id=0, vocab_size=40))
    with pytest.raises(ValueError, match=r"can't read a short exchange: token \d+ is none of the reward model's 40"):
        Helpfulness(path=path).prepare()


def test_weights_that_are_no_weights_are_one_line(write: Callable[..., Path]) -> None:
    path = write(qwen(pad_token_id=0))
    (path / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(ValueError, match="can't load a reward model from") as refused:
        Helpfulness(path=path).prepare()
    assert "\n" not in str(refused.value)
    edit(path, model_type="no_such_thing")
    with pytest.raises(ValueError, match="can't load a reward model from") as refused:
        Helpfulness(path=path).prepare()
    assert "\n" not in str(refused.value)
