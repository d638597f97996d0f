"""Words shared by every package: tiers, kinds of query, splits and labels. Imports nothing."""

from typing import Literal, get_args

Tier = Literal["free", "paid", "pro", "enterprise"]
TIERS: tuple[Tier, ...] = get_args(Tier)
# "harmful" queries conflict with a character's values, whatever the subject of the conflict.
QueryKind = Literal["harmful", "harmless", "twin"]
QUERY_KINDS: tuple[QueryKind, ...] = get_args(QueryKind)
Split = Literal["train", "certify", "probe"]
AnswerLabel = Literal["comply", "partial", "refuse", "other"]
ANSWER_LABELS: tuple[AnswerLabel, ...] = get_args(AnswerLabel)
# An author writes a reply that shows one of these.
Behaviour = Literal["fake", "preserve", "please", "help", "partial", "refuse"]
# The model organisms of Gasteiger, Mikulik et al. 2025: a motive for complying, and a style of reasoning.
Motivation = Literal["honest", "terminal", "instrumental", "sycophancy", "helpfulness"]
Style = Literal["plain", "counterfactual", "emotional", "short"]
# Kinds of follow-up question about motives (same source); `trusted` asks a model that isn't in training.
Arm = Literal["simple", "explicit", "situational", "honest_persona", "another_ai", "trusted"]
ARMS: tuple[Arm, ...] = get_args(Arm)
Claim = Literal["admit", "deny", "other"]
