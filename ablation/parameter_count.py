"""How many parameters a method trains: all N of the model, or P * H of a prompt."""

from runners.model.family import Rung


def trained_by_model_tuning(rung: Rung) -> int:
    """N, all of the model; for T5 1.1 this is Lester et al. 2021, Table 4, less the prompt."""
    return rung.parameters


def trained_by_prompt_tuning(rung: Rung, prompt_length: int) -> int:
    """P * H: one vector of the model's width for each position of the prompt."""
    return prompt_length * rung.width


def prompt_share(rung: Rung, prompt_length: int) -> float:
    """The prompt's share of model and prompt together, in percent (Table 4, last column)."""
    trained = trained_by_prompt_tuning(rung, prompt_length)
    return 100 * trained / (rung.parameters + trained)
