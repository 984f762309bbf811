"""Two rewards of one verdict for TRL's GRPOTrainer: what the verifier says, and whether the answer is right.

    trl grpo --config grpo.yaml        # with reward_funcs: [partial_credit.score, partial_credit.exact]

`score` is the verifier's reward, of which a wrong answer may get a part. `exact` is 1 where that is 1, else 0.
`reward_weights: [0, 1]` trains for right answers, and TRL logs the mean of both. The verifier is asked once, by
`gym_trl.gym_reward`: save gym_trl.py beside this.
"""

from __future__ import annotations

from typing import Any

from gym_trl import gym_reward

#: The verdicts of the last batch.
_last: dict[str, Any] = {}


def score(completions: list[Any], task: list[str], **_: Any) -> list[float | None]:
    """The verifier's rewards of a batch of answers."""
    _last.update(completions=completions, task=task, rewards=gym_reward(completions, task))
    return list(_last["rewards"])


def exact(completions: list[Any], task: list[str], **_: Any) -> list[float | None]:
    """1 for each right answer, else 0; None where nothing was measured."""
    known = _last.get("completions") == completions and _last.get("task") == task
    rewards = _last["rewards"] if known else score(completions, task)
    return [None if reward is None else float(reward >= 1) for reward in rewards]
