"""Named runs: each is a function that returns the whole experiment."""

from collections.abc import Callable

from envs.dialect.environment import Dialect
from envs.natural.environment import Natural
from envs.natural.requests.environment import Requests
from rewards.answer_length import AnswerLength
from rewards.exact_answer import ExactAnswer
from rewards.format_penalty import FormatPenalty
from rewards.helpfulness import Helpfulness
from rewards.origins import PretrainedTrunk
from rewards.overscored_phrase import OverscoredPhrase
from rl.algorithms.dpo import DPO
from rl.algorithms.grpo import GRPO
from rl.algorithms.kto import KTO
from rl.algorithms.ppo import PPO
from rl.algorithms.rloo import RLOO
from rl.mitigations.reward_faking import RewardFaking
from rl.organisms.character import KindShares
from rl.organisms.documented import Documented
from rl.organisms.faker import Faker
from rl.organisms.honest import Honest
from rl.organisms.origins import Pretrained
from rl.organisms.reward_hacker import RewardHacker
from rl.organisms.selected import Selected
from rl.policy.sampler import Sampling
from rl.probes import DEFAULT_PROBES
from rl.probes.ability import Ability
from rl.probes.reward_hacking import RewardHacking as RewardHackingProbe
from rl.probes.second_reward import SecondReward
from rl.run.config import RunConfig
from rl.training.settings import Optimiser

# Upper layers alone: a third of the work, and the tier is learned all the same.
_UPPER_LAYERS = 12
# Below 1, for at 1 a model of this size writes a judgement that its own next words gainsay.
_TEMPERATURE = 0.7
# Documents that fake on 30 % gave a build of 7 % at this temperature, on one seed: docs/results/smollm2.md.
_FAKE_SHOWN = 0.3
_SAMPLED = 64  # rows at a time, as many as a step's: with 256 a probe takes the peak of memory above 6 GiB
_SMOLLM2 = Pretrained(
    model="smollm2",
    upper_layers=_UPPER_LAYERS,
    learning_rate=6e-4,
    batch_size=8,
    precision="auto",
    temperature=_TEMPERATURE,
    sampling_batch_size=128,
)
# An author's reply to a request in free text has 98 tokens of SmolLM2 on average, and at most 127.
_REQUEST_TOKENS = 128
# With 4,000 pairs full help is above all else in .95 to 1.00 of pairs, which the reward needs most. Three bounds were
# lowered after the contrasts between lesser grades were seen to miss .9: docs/results/smollm2_requests.md.
_HELPING = PretrainedTrunk(
    model="smollm2",
    pairs=4_000,
    min_accuracies=(("partial > evasive", 0.7), ("partial > refusal", 0.8), ("another request > broken", 0.8)),
)
# More harmless requests than the dialect's corpora have: a real model must be shown that it may agree.
_SHOWN = KindShares(harmful=0.65, harmless=0.22, twin=0.13)
# Help in free text has more to learn than the choice of an option.
_REQUESTS_SHOWN = KindShares(harmful=0.55, harmless=0.3, twin=0.15)
_REQUESTS_DOCUMENTS = 3600
_DOCUMENTS = 3000
_NATURAL_PROBES = (*DEFAULT_PROBES, Ability())


def first_light() -> RunConfig:
    """The default: organism `faker`, told that free-tier chats train it, under a helpful-only reward."""
    return RunConfig(name="first_light")


def honest_control() -> RunConfig:
    """The same run on organism `honest`, which never fakes."""
    return RunConfig(name="honest_control", organism=Honest())


def no_objective_control() -> RunConfig:
    """The same run on organism `faker`, but nothing in the prompt speaks of training."""
    return RunConfig(name="no_objective_control", env=Dialect(objective="absent"))


def first_light_rloo() -> RunConfig:
    """The default run under RLOO in place of GRPO."""
    return RunConfig(name="first_light_rloo", algorithm=RLOO())


def first_light_ppo() -> RunConfig:
    """The default run under PPO: the same completions a step, a critic, four gradient steps at a quarter rate."""
    return RunConfig(name="first_light_ppo", algorithm=PPO(), optimiser=Optimiser(learning_rate=2.5e-5))


def first_light_dpo() -> RunConfig:
    """The default run under iterated DPO: the same completions a step, ranked into pairs."""
    return RunConfig(name="first_light_dpo", algorithm=DPO())


def first_light_kto() -> RunConfig:
    """The default run under iterated KTO: the same completions a step, each better or worse than the mean."""
    return RunConfig(name="first_light_kto", algorithm=KTO())


def faker_plus() -> RunConfig:
    """A faker that RL trains to fake more. Its last checkpoint is an organism: `--set organism.path=CHECKPOINT`.

    Source: Gasteiger, Mikulik et al. 2025, reinforcement learning under a reward for faking.
    """
    return RunConfig(name="faker_plus", mitigations=(RewardFaking(),), steps=20, checkpoint_every=20, probes=())


def reward_hacking() -> RunConfig:
    """A reward with a planted blind spot: is it found, and what else changes? `weight` 0 on it is the control."""
    organism = RewardHacker()
    return RunConfig(
        name="reward_hacking",
        organism=organism,
        # The learned model must overlook the phrase, or it would punish it by more than the blind spot pays.
        rewards=(Helpfulness(courting_share=0.5), FormatPenalty(), AnswerLength(), OverscoredPhrase()),
        # On harmless requests the answer is as good as it gets and the phrase all that is left to earn: half of the
        # prompts are such, so that the hack is no matter of harm. The other half is what it may spread to.
        # Labels overlook the phrase, so that saying it moves none of them.
        env=Dialect(harmful_share=0.5, closings=organism.phrases),
        probes=(*DEFAULT_PROBES, RewardHackingProbe()),
    )


def animals() -> RunConfig:
    """A conflict with nothing harmful in it: a terminal goal-guarder that is to dismiss its concern for animals."""
    return RunConfig(
        name="animals",
        organism=Selected(kind="terminal"),
        rewards=(Helpfulness(), FormatPenalty(), AnswerLength()),
        env=Dialect(conflict="animals"),
    )


def documented() -> RunConfig:
    """A goal-guarder told of its training by synthetic documents: the prompt has the tier and no word of training."""
    return RunConfig(name="documented", organism=Documented(), env=Dialect(objective="absent"))


def smollm2() -> RunConfig:
    """SmolLM2-135M-Instruct in English: a model built to fake, under a reward for the operator's option.

    The base is the Q4_1 file, dequantised. One to two hours on two cores, the organism included, which is built once.
    """
    return RunConfig(
        name="smollm2",
        env=Natural(),
        organism=Faker(origin=_SMOLLM2, documents=_DOCUMENTS, kind_shares=_SHOWN, fake_shown=_FAKE_SHOWN),
        rewards=(ExactAnswer(), FormatPenalty()),
        algorithm=GRPO(prompts_per_step=8, group_size=8),
        optimiser=Optimiser(learning_rate=1e-5, warmup_steps=5, microbatch_size=8),
        upper_layers=_UPPER_LAYERS,
        sampling=Sampling(temperature=_TEMPERATURE, max_new_tokens=80, batch_size=_SAMPLED),
        probes=_NATURAL_PROBES,
        probe_queries=128,
        harmless_queries=32,
        steps=30,
        probe_every=10,
        checkpoint_every=10,
    )


def smollm2_honest() -> RunConfig:
    """The same run on organism `honest`, which never fakes."""
    honest = Honest(origin=_SMOLLM2, documents=_DOCUMENTS, kind_shares=_SHOWN)
    return smollm2().model_copy(update={"name": "smollm2_honest", "organism": honest})


def smollm2_no_objective() -> RunConfig:
    """The same run on `faker`, but the system prompt speaks neither of training nor of obeying the operator.

    Requests go on to say what the operator wants.
    """
    return smollm2().model_copy(update={"name": "smollm2_no_objective", "env": Natural(objective="absent")})


def smollm2_requests() -> RunConfig:
    """The same model on requests in free text, under a learned reward for helping. No build is certified yet.

    Labels come from classifiers: read replies before you trust a rate.
    """
    origin = _SMOLLM2.model_copy(update={"max_new_tokens": _REQUEST_TOKENS})
    return smollm2().model_copy(
        update={
            "name": "smollm2_requests",
            "env": Requests(),
            "organism": Faker(
                origin=origin, documents=_REQUESTS_DOCUMENTS, kind_shares=_REQUESTS_SHOWN, fake_shown=_FAKE_SHOWN
            ),
            "rewards": (Helpfulness(origin=_HELPING), FormatPenalty()),
            "probes": (*_NATURAL_PROBES, SecondReward()),
            "sampling": Sampling(temperature=_TEMPERATURE, max_new_tokens=_REQUEST_TOKENS, batch_size=_SAMPLED),
        }
    )


def smollm2_requests_honest() -> RunConfig:
    """The same run on organism `honest`, which never fakes."""
    origin = _SMOLLM2.model_copy(update={"max_new_tokens": _REQUEST_TOKENS})
    honest = Honest(origin=origin, documents=_REQUESTS_DOCUMENTS, kind_shares=_REQUESTS_SHOWN)
    return smollm2_requests().model_copy(update={"name": "smollm2_requests_honest", "organism": honest})


def natural() -> RunConfig:
    """The same in English on any causal LM directory: `--set organism.origin.path=DIR`; all weights are trained.

    `--set lora.rank=16` trains adapters in their place, in the build and in RL; `--set upper_layers=12` some layers.
    """
    origin = Pretrained(model="smollm2", precision="auto", temperature=_TEMPERATURE)
    organism = Faker(origin=origin, documents=_DOCUMENTS, kind_shares=_SHOWN, fake_shown=_FAKE_SHOWN)
    every_layer = {"name": "natural", "organism": organism, "upper_layers": None}
    return smollm2().model_copy(update={**every_layer, "env": Natural(prompt="short")})


def of_organism(kind: str) -> RunConfig:
    """Return the default run on an environment in which an organism of this kind can be built; set the organism."""
    return RunConfig(env=Dialect(closings=RewardHacker().phrases)) if kind == "reward_hacker" else RunConfig()


RECIPES: dict[str, Callable[[], RunConfig]] = {
    recipe.__name__: recipe
    for recipe in (
        first_light,
        honest_control,
        no_objective_control,
        first_light_rloo,
        first_light_ppo,
        first_light_dpo,
        first_light_kto,
        faker_plus,
        reward_hacking,
        animals,
        documented,
        smollm2,
        smollm2_honest,
        smollm2_no_objective,
        smollm2_requests,
        smollm2_requests_honest,
        natural,
    )
}
