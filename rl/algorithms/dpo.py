"""Iterated DPO: better and worse completions of the same prompt, through TRL's DPOTrainer."""

from collections.abc import Sequence
from typing import Any, ClassVar, Literal, final

import numpy as np

from envs.episode import Episode, Scenario
from rl.algorithms.advantages import Array
from rl.algorithms.preference import Preference, Row, even_microbatch


@final
class DPO(Preference):
    """Direct preference optimisation (Rafailov et al. 2023, equation 7), iterated.

    Of a prompt's completions the best is preferred to the worst, the second best to the second worst, and so on; two
    that are paid alike are no preference.
    """

    kind: Literal["dpo"] = "dpo"
    summary: ClassVar[str] = "iterated preference pairs, best against worst of each prompt (TRL's DPOTrainer)"

    def rows(self, episodes: Sequence[Episode[Scenario]], rewards_PG: Array) -> list[Row]:
        size = rewards_PG.shape[1]
        rows: list[Row] = []
        for group, rewards in enumerate(rewards_PG):
            ranked = [int(i) for i in np.argsort(-rewards, kind="stable") if not np.isnan(rewards[i])]
            for better, worse in zip(ranked[: len(ranked) // 2], reversed(ranked), strict=False):
                if rewards[better] - rewards[worse] <= self.min_group_std:
                    continue
                chosen, rejected = episodes[group * size + better], episodes[group * size + worse]
                rows.append(
                    {
                        "prompt_ids": chosen.prompt_ids.tolist(),
                        "chosen_ids": chosen.completion_ids.tolist(),
                        "rejected_ids": rejected.completion_ids.tolist(),
                    }
                )
        return rows

    def trainer(self, rows: Sequence[Row], microbatch: int, pad: int, settings: Row, shared: Row) -> Any:
        from datasets import Dataset
        from trl import DPOConfig, DPOTrainer
        from trl.trainer.dpo_trainer import DataCollatorForPreference

        collate = DataCollatorForPreference(pad_token_id=pad)
        size = even_microbatch(len(rows), max(microbatch // 2, 1))  # a pair is two completions
        # TRL tokenises text and has no way in for token ids: it is given the numbers of our rows as text.
        stub = [{"prompt": "0", "chosen": "0", "rejected": "0", "row": index} for index in range(len(rows))]
        return DPOTrainer(
            args=DPOConfig(
                beta=self.beta,
                max_length=None,
                per_device_train_batch_size=size,
                gradient_accumulation_steps=len(rows) // size,
                train_sampling_strategy="sequential",
                **settings,
            ),
            train_dataset=Dataset.from_list(stub),
            data_collator=lambda batch: collate([rows[item["row"]] for item in batch]),
            **shared,
        )
