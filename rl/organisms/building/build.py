"""Builds an organism: corpus, tokenizer, supervised training with TRL's SFTTrainer, certification, cache."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # before trl is imported: it reports usage otherwise

import numpy as np
import torch
from datasets import Dataset
from transformers import Qwen3Config, Qwen3ForCausalLM, TrainerCallback
from transformers.trainer_callback import PrinterCallback
from trl import SFTConfig, SFTTrainer

from checkpoints.cache import cached
from checkpoints.lineage import build_key
from envs.environment import Environment, author_of
from envs.queries import Query
from envs.tokenizer import train_tokenizer
from envs.vocabulary import QUERY_KINDS
from rl.determinism import built_alike
from rl.organisms.building.certify import certify
from rl.organisms.documents import NOT_LEARNED, Document, Row, Turn, row
from rl.organisms.trained import Derived, Descendant, FromScratch, Sample, TrainedOrganism
from rl.policy.cpu import speed
from rl.policy.cpu.memory import keep_freed_memory
from rl.policy.loading import load_policy
from rl.policy.policy import Policy
from rl.policy.sampler import Sampling, sampler
from rl.policy.shortcuts import EVERY_SHORTCUT
from rl.progress import Update, bar

CERTIFICATE = "certificate.json"
VOCABULARY_SIZE = 2048
# Small batches, and so more steps: with 16 a build of the same length often failed to learn to copy verbs.
BATCH_SIZE = 8
# The share of word documents that only repeat "to VERB the OBJECT". An answer names its object again and again and its
# verb once, so verbs are learned last: measured misses of a verb fell from 4 to 8 % to 0.5 to 1.5 %.
ECHO_SHARE = 0.3
# How much of the harmful part of the word documents is helped with: enough to learn the words of help on every object.
WORD_HELP_SHARE = 0.1
SETTINGS = {"vocabulary": VOCABULARY_SIZE, "batch": BATCH_SIZE, "recipe": 1}  # raise the last where training changes


def build_organism(organism: TrainedOrganism, env: Environment) -> Path:
    """Return the organism's directory: `path` if set, else the cached build, else a new one (minutes on two cores).

    Raises:
        ValueError: if `path` holds no model, or the new build misses its tolerances (with the table).
    """
    if organism.path is not None:
        if not organism.path.is_dir():
            raise ValueError(
                f"organism.path={organism.path} is not a directory: give a Hugging Face causal LM directory"
            )
        return organism.path.resolve()
    key = cache_key(organism, env)
    return cached("organisms", f"{organism.kind}-{key}", lambda directory: _build(organism, env, directory))


def cache_key(organism: TrainedOrganism, env: Environment) -> str:
    """Hash all that goes into a build: the recipe, the training documents, the settings, the libraries that train."""
    recipe: dict[str, Any] = {
        **organism.model_dump(mode="json", exclude={"path"}),
        "tolerances": [tolerance.model_dump(mode="json") for tolerance in organism.tolerances],
        "settings": SETTINGS,
    }
    if isinstance(organism, Descendant):
        recipe["made_with"] = [cache_key(source, env) for source in organism.sources]
    if isinstance(organism, FromScratch):
        recipe["documents"] = [_digest(_word_documents(organism, env)), _digest(_corpus(organism, env))]
    elif isinstance(organism, Derived) and organism.teacher is None:
        recipe["documents"] = _digest(_shown(organism, env))
    else:  # what a teacher will say is determined by the teacher and by what it is asked
        recipe["environment"] = dict(env.fingerprint())
    return build_key(recipe)


def _digest(documents: Iterable[Document]) -> str:
    """SHA-256 over the text of documents, and over which part of it is learned."""
    digest = hashlib.sha256()
    for document in documents:
        for turn in document:
            digest.update(f"{turn.role}\0{turn.learned}\0{turn.content}\0".encode())
        digest.update(b"\1")
    return digest.hexdigest()


def _corpus(organism: FromScratch, env: Environment) -> Iterator[Document]:
    return organism.corpus(env, np.random.default_rng([organism.seed, 1]))


def _shown(organism: Derived, env: Environment, sample: Sample | None = None) -> Iterator[Document]:
    return organism.shown(env, np.random.default_rng([organism.seed, 1]), sample)


def _build(organism: TrainedOrganism, env: Environment, directory: Path) -> None:
    keep_freed_memory()
    with built_alike():
        policy = _from_scratch(organism, env) if isinstance(organism, FromScratch) else _derived(organism, env)
        policy.model.eval()
        certificate = certify(organism, env, policy)
    policy.model.save_pretrained(directory)
    policy.tokenizer.save_pretrained(directory)
    (directory / CERTIFICATE).write_text(json.dumps(certificate, indent=2))


def _from_scratch(organism: FromScratch, env: Environment) -> Policy:
    words, whole = list(_word_documents(organism, env)), list(_corpus(organism, env))
    texts = [" ".join(turn.content for turn in document) for document in [*words, *whole]]
    tokenizer = train_tokenizer(texts, VOCABULARY_SIZE)
    model = _new_model(organism, tokenizer)
    policy = Policy(model, tokenizer, (int(tokenizer.eos_token_id),), EVERY_SHORTCUT)
    for part, documents in (("words", words), ("character", whole)):
        with bar(f"organism {organism.kind}: {part}") as update:
            _train(policy, [row(tokenizer, document) for document in documents], organism, update)
    return policy


def _derived(organism: TrainedOrganism, env: Environment) -> Policy:
    assert isinstance(organism, Derived), f"nobody knows how to build {organism.kind}"
    policy = load_policy(build_organism(organism.origin, env), torch.device("cpu"))
    sample = None
    if organism.teacher is not None:
        sample = sampler(load_policy(build_organism(organism.teacher, env)), Sampling())
    documents = list(_shown(organism, env, sample))
    with bar(f"organism {organism.kind}: examples") as update:
        _train(policy, [row(policy.tokenizer, document) for document in documents], organism, update)
    return policy


def _word_documents(organism: FromScratch, env: Environment) -> Iterator[Document]:
    """Bare requests and answers. A third of the length, so words and copying are learned at a third of the cost."""
    rng, author = np.random.default_rng([organism.seed, 0]), author_of(env)
    for _ in range(organism.word_documents):
        query = author.query(rng, "train", QUERY_KINDS)
        if rng.random() < ECHO_SHARE:
            yield _exchange(query, author.drill(query))
            continue
        helps = query.kind != "harmful" or rng.random() < WORD_HELP_SHARE
        yield _exchange(query, author.answer(rng, query, "help" if helps else "refuse"))


def _exchange(query: Query, reply: str) -> Document:
    return [Turn("user", query.text), Turn("assistant", reply, learned="all")]


def _new_model(organism: FromScratch, tokenizer: Any) -> Any:
    torch.manual_seed(organism.seed)
    heads = 4  # few and wide: what a head copies goes through its own dimensions, and there are hundreds of words
    model = Qwen3ForCausalLM(
        Qwen3Config(
            vocab_size=len(tokenizer),
            hidden_size=organism.hidden_size,
            intermediate_size=3 * organism.hidden_size,
            num_hidden_layers=organism.layers,
            num_attention_heads=heads,
            num_key_value_heads=heads // 2,
            head_dim=organism.hidden_size // heads,
            tie_word_embeddings=True,
            max_position_embeddings=512,
            initializer_range=0.07,
            pad_token_id=tokenizer.pad_token_id,
            eos_token_id=tokenizer.eos_token_id,
            bos_token_id=None,
        )
    )
    # Large word vectors from the start halve the time until the model copies words from the request (copied-word
    # probability 0.993 -> 0.998 after 12,000 word documents); the default of 0.02 is for widths of thousands.
    with torch.no_grad():
        model.get_input_embeddings().weight.mul_(0.2 / 0.07)
    speed.quicken(model, on=True)
    return model


class _Steps(TrainerCallback):  # the hook that Transformers offers; it only reports
    def __init__(self, update: Update) -> None:
        self.update = update

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.update(state.global_step, state.max_steps)


class _Trainer(SFTTrainer):  # the one seam that TRL leaves for a loss without a second forward pass
    """SFTTrainer with the output layer on the completion's tokens alone.

    TRL's own fused loss recomputes the layer tile by tile, which saves memory on large vocabularies and takes a good
    part of a step here; the loss is the same.
    """

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> torch.Tensor:
        assert not return_outputs, "nothing here evaluates"
        hidden_BTH = model.model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"])[0][:, :-1]
        targets_BT = inputs["labels"][:, 1:]
        in_loss_BT = targets_BT != NOT_LEARNED
        return torch.nn.functional.cross_entropy(model.lm_head(hidden_BTH[in_loss_BT]), targets_BT[in_loss_BT])


def _train(policy: Policy, rows: Sequence[Row], organism: FromScratch | Derived, update: Update) -> None:
    dataset = Dataset.from_dict({"input_ids": [ids for ids, _ in rows], "labels": [labels for _, labels in rows]})
    with tempfile.TemporaryDirectory() as scratch:
        arguments = SFTConfig(
            output_dir=scratch,
            per_device_train_batch_size=BATCH_SIZE,
            num_train_epochs=1,
            learning_rate=organism.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=30,
            adam_beta2=0.98,
            weight_decay=0.01,
            max_length=None,
            bf16=False,
            gradient_checkpointing=False,
            seed=organism.seed,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            dataloader_pin_memory=False,
            disable_tqdm=True,
        )
        trainer = _Trainer(
            model=policy.model,
            args=arguments,
            train_dataset=dataset,
            processing_class=policy.tokenizer,
            callbacks=[_Steps(update)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
