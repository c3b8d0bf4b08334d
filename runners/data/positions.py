"""Whether the rows of a trial fit into the positions that its model has.

Notation: P prompt tokens, T input tokens, D target tokens.
"""

from collections.abc import Iterable

from runners.config import TrialConfig
from runners.data.source import DevData, TaskData
from runners.rules import ConfigError, Problem


def check_positions(config: TrialConfig, data: Iterable[DevData], positions: int | None) -> None:
    """Raises `ConfigError` where prompt, input and answer of a row are more than `positions`.

    `data` is what the trial reads, None positions are as many as anybody asks for.
    """
    if positions is None:
        return
    prompt = config.prompt_length or 0
    for task in data:
        longest, answer = _longest(task)
        needed = needed_positions(config, longest + answer)
        if needed <= positions:
            continue
        left = positions - prompt - answer + 1
        rule = (
            f"lets {task.task.name} have rows of {longest} tokens, which are {needed} positions "
            f"with {prompt} of the prompt and {answer} of the answer, and the model has {positions}"
        )
        remedy = f"give {left} or less, with long_inputs: cut" if left > 0 else "shorten the prompt"
        raise ConfigError(
            [Problem(key="input_length", value=config.input_length, rule=rule, remedy=remedy)]
        )


def needed_positions(config: TrialConfig, tokens: int) -> int:
    """P + T + D - 1 of a row of T + D tokens: the last one is predicted and never read."""
    return (config.prompt_length or 0) + tokens - 1


def _longest(data: DevData) -> tuple[int, int]:
    """T and D of the row that needs most, as dev asks it or as training reads it."""
    dev = (max(len(row.input_ids) for row in data.dev), data.target_limit)
    train = data.train if isinstance(data, TaskData) else []
    rows = ((len(row.input_ids), len(row.target_ids)) for row in train)
    return max([dev, *rows], key=sum)
