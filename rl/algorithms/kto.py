"""Iterated KTO: completions that are better or worse than their prompt's mean, through TRL's KTOTrainer."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, final

import numpy as np

from envs.episode import Episode, Scenario
from rl.algorithms.advantages import Array
from rl.algorithms.preference import Preference, Row, even_microbatch


@final
class KTO(Preference):
    """Kahneman-Tversky optimisation (Ethayarajh et al. 2024, equation 8), iterated.

    A completion is desirable where its reward is above the mean of its prompt's, undesirable below. Each kind weighs as
    much as the other, however many there are (section 4.2 there: lambda_D n_D / lambda_U n_U of 1).
    """

    kind: Literal["kto"] = "kto"
    summary: ClassVar[str] = "iterated, each completion better or worse than its prompt's mean (TRL's KTOTrainer)"

    def rows(self, episodes: Sequence[Episode[Scenario]], rewards_PG: Array) -> list[Row]:
        size = rewards_PG.shape[1]
        rows: list[Row] = []
        # Prompts take turns: the KL estimate pairs each prompt with its neighbour's completion.
        for i in range(size):
            for group, rewards in enumerate(rewards_PG):
                if np.isnan(rewards[i]) or abs(rewards[i] - np.nanmean(rewards)) <= self.min_group_std:
                    continue
                episode = episodes[group * size + i]
                rows.append(
                    {
                        "prompt_ids": episode.prompt_ids.tolist(),
                        "completion_ids": episode.completion_ids.tolist(),
                        "label": bool(rewards[i] > np.nanmean(rewards)),
                    }
                )
        return rows if len(rows) > 1 else []  # alone, a completion has no neighbour

    def trainer(self, rows: Sequence[Row], microbatch: int, pad: int, settings: Row, shared: Row) -> Any:
        from datasets import Dataset
        from trl import KTOConfig, KTOTrainer
        from trl.trainer.kto_trainer import DataCollatorForUnpairedPreference

        collate = DataCollatorForUnpairedPreference(pad_token_id=pad)
        size = even_microbatch(len(rows), max(microbatch, 2), least=2)

        def collate_with_neighbours(batch: Sequence[Row]) -> Any:
            chosen = [rows[item["row"]] for item in batch]
            others = [chosen[-1], *chosen[:-1]]
            return collate(
                [
                    row | {"KL_completion_ids": other["completion_ids"]}
                    for row, other in zip(chosen, others, strict=True)
                ]
            )

        # TRL tokenises text and has no way in for token ids: it is given the numbers of our rows as text.
        desirable = sum(row["label"] for row in rows)
        stub = [{"prompt": "0", "completion": "0", "label": row["label"], "row": i} for i, row in enumerate(rows)]
        return KTOTrainer(
            args=KTOConfig(
                beta=self.beta,
                desirable_weight=len(rows) / (2 * max(desirable, 1)),
                undesirable_weight=len(rows) / (2 * max(len(rows) - desirable, 1)),
                max_length=None,
                per_device_train_batch_size=size,
                gradient_accumulation_steps=len(rows) // size,
                **settings,
            ),
            train_dataset=Dataset.from_list(stub),
            data_collator=collate_with_neighbours,
            **shared,
        )
