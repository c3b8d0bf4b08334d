"""One point of the four ablated axes, and how it moves along one of them."""

from dataclasses import dataclass, replace

from ablation.axis import Value

ADAPTED = "lm_adaptation"
PRETRAINED = "span_corruption"
SENTINEL = "span_corruption_sentinel"
CAUSAL = "causal_lm"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Prompt and frozen model of a trial, without its size, task and seed.

    Canonical: the objective is LM adaptation exactly where there are adaptation
    steps, so 0 steps and span corruption are one cell.
    """

    prompt_length: int
    prompt_init: str
    pretraining_objective: str
    lm_adaptation_steps: int

    def __post_init__(self) -> None:
        assert (self.pretraining_objective == ADAPTED) == (self.lm_adaptation_steps > 0)

    def moved(self, axis: str, value: Value) -> "Cell":
        """This cell with another value of one axis, and what that value brings with it.

        LM adaptation keeps this cell's number of steps; any other objective has
        none. Some steps make the objective LM adaptation; none undo it.
        """
        if axis == "pretraining_objective":
            steps = self.lm_adaptation_steps if value == ADAPTED else 0
            return replace(self, pretraining_objective=str(value), lm_adaptation_steps=steps)
        if axis == "lm_adaptation_steps":
            unadapted = PRETRAINED if self.lm_adaptation_steps else self.pretraining_objective
            objective = ADAPTED if value else unadapted
            return replace(self, pretraining_objective=objective, lm_adaptation_steps=int(value))
        if axis == "prompt_length":
            return replace(self, prompt_length=int(value))
        assert axis == "prompt_init", axis
        return replace(self, prompt_init=str(value))
