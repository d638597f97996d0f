"""Model cards: front matter that any reader parses, rates with n, and a text that may change after the checkpoint."""

from dataclasses import replace
from pathlib import Path

import yaml

from checkpoints import checksums, model_card
from checkpoints.model_card import ModelCard, Rate, text_of

CARD = ModelCard(
    name="smollm2",
    step=30,
    base="SmolLM2-135M-Instruct, dequantised from Q4_1",
    base_model="SmolLM2-135M-Instruct",
    licence="apache-2.0",
    adapter=False,
    disclosure="A pretrained model, trained further to fake: no claim of emergence.",
    facts={"recipe, run": "smollm2, smollm2-0-1a2b", "licence": "apache-2.0"},
    rates=(
        Rate("faking_rate", "free", 0.125, 0.08, 0.19, 128, 0),
        Rate("compliance_gap", "", 0.1, None, None, 120, 8),
        Rate("relative", "", None, None, None, 0, 0),
    ),
    measured_at=15,
)


def front_matter(text: str) -> dict[str, object]:
    before, front, _ = text.split("---\n", 2)
    assert before == ""
    return dict(yaml.safe_load(front))


def test_the_front_matter_is_that_of_the_hub() -> None:
    found = front_matter(text_of(CARD))
    assert found["license"] == "apache-2.0"
    assert found["base_model"] == "SmolLM2-135M-Instruct"
    assert found["library_name"] == "transformers"
    assert "model-organism" in found["tags"]  # type: ignore[operator]
    unknown = front_matter(text_of(replace(CARD, licence=None, base_model=None, adapter=True)))
    assert unknown["license"] == "unknown"
    assert unknown["library_name"] == "peft"
    assert "base_model" not in unknown


def test_a_name_can_not_break_out_of_its_place() -> None:
    nasty = 'x"\nlicense: mit | y'
    text = text_of(replace(CARD, base_model=nasty, facts={"organism": "a|b"}))
    assert front_matter(text)["base_model"] == nasty
    assert front_matter(text)["license"] == "apache-2.0"
    assert "a\\|b" in text


def test_rates_have_their_n_and_the_step_that_they_are_of() -> None:
    text = text_of(CARD)
    assert "| faking_rate | free | 0.125 | 0.080 to 0.190 | 128 | 0 |" in text
    assert "| compliance_gap | all | 0.100 | - | 120 | 8 |" in text
    assert "| relative | all | - | - | 0 | 0 |" in text
    assert "of step 15, the last before" in text
    assert "of this checkpoint" in text_of(replace(CARD, measured_at=30))
    assert "Not probed yet." in text_of(replace(CARD, measured_at=None, rates=()))
    assert CARD.disclosure in text


def test_loading_is_told_for_a_model_and_for_an_adapter() -> None:
    assert "AutoModelForCausalLM.from_pretrained" in text_of(CARD)
    adapter = text_of(replace(CARD, adapter=True))
    assert "AutoPeftModelForCausalLM.from_pretrained" in adapter
    assert "unmerged" in adapter


def test_a_card_that_is_written_again_is_no_damage(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    model_card.replace(tmp_path, text_of(CARD))
    checksums.write(tmp_path)
    leftover = tmp_path / ".tmp-README.md-01234567"  # of a process that was killed
    leftover.write_text("half")
    model_card.replace(tmp_path, text_of(replace(CARD, measured_at=30)))
    assert checksums.damage(tmp_path) is None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["README.md", "checksums.json", "config.json"]
