"""Fields of a trial that are legal alone and not together.

What does not apply is None, so that one meaning has one config: a prompt length
for model tuning is an error, and so is a missing one for prompt tuning.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from runners.rules import FILE_NAME, Problem, Rule

OWN = "own"
"""The data source of a task that a user describes."""

_OF_METHOD = {
    "prompt_tuning": ("prompt_length", "prompt_init"), "prompt_design": ("shots",),
    "multitask_model_tuning": ("mixture",),
}  # fmt: skip
"""Fields that one method has and no other."""
_UNTRAINED = "prompt_design"
DECAY = ("decay_factor", "decay_every")
"""Fields that may be None where a method trains: its rate then stays."""
TRANSFER = ("transfer_tasks", "transfer_content")
"""Fields of what a best point is asked beside its own task; nothing that trains reads them."""
_OF_ADAPTATION = (
    "lm_adaptation_batch_size", "lm_adaptation_learning_rate", "lm_adaptation_seed"
)  # fmt: skip
_TEXT = "lm_adaptation_text"


def unfit_name(task: str) -> tuple[str, str] | None:
    """The rule that the name of a transfer task breaks, and the remedy; it names a file."""
    if FILE_NAME.fullmatch(task):
        return None
    return "is no name of letters, digits, '_', '-' and '.'", "give the task such a name"


class Misfits:
    """The misfits among the fields that are given and legal, in `found`.

    `rules` are those of all fields, `trained_by` the fields of methods that train.
    """

    def __init__(
        self, legal: Mapping[str, Any], rules: Mapping[str, Rule], *, trained_by: Sequence[str]
    ) -> None:
        self._legal = legal
        self._rules = rules
        self.found: list[Problem] = []
        if "method" in legal:
            self._method(trained_by)
        if "data_source" in legal:
            source = legal["data_source"]
            self._applies("task_content", source == OWN, f"data_source {source}")
        if "pretraining_objective" in legal:
            self._adaptation()
        self._evaluation()
        self._transfer()

    def _method(self, trained_by: Sequence[str]) -> None:
        method, where = self._legal["method"], f"method {self._legal['method']}"
        for owner, names in _OF_METHOD.items():
            for name in names:
                self._applies(name, method == owner, where)
        for name in trained_by:
            self._applies(name, method != _UNTRAINED, where)
        for name in TRANSFER if method == _UNTRAINED else ():
            self._applies(name, False, where)
        self._decay(method, where)
        if self._legal.get("shots") == 0 and self._legal.get("seed"):
            self._report("seed", "does not apply without shots, which it would draw", "give 0")
        if self._legal.get("mixture"):
            self._mixture(str(self._legal["mixture"]).split(","))

    def _decay(self, method: str, where: str) -> None:
        """A factor and its steps go together, and neither goes without training."""
        for name, other in (DECAY, DECAY[::-1]):
            if method == _UNTRAINED:
                self._applies(name, False, where)
            elif self._legal.get(other) is not None:
                self._applies(name, True, f"{other} {self._legal[other]}")

    def _mixture(self, tasks: Sequence[str]) -> None:
        right = sorted({*tasks, str(self._legal.get("task"))} - {""})
        if list(tasks) != right:
            rule = "is not a list of tasks in order, the trial's own among them"
            self._report("mixture", rule, f"give {','.join(right)}")

    def _adaptation(self) -> None:
        objective = self._legal["pretraining_objective"]
        adapted, where = objective == "lm_adaptation", f"pretraining_objective {objective}"
        given = [name for name in (*_OF_ADAPTATION, _TEXT) if self._legal.get(name) is not None]
        for name in _OF_ADAPTATION if given or not adapted else ():
            self._applies(name, adapted, f"{where} beside {given[0]}" if adapted else where)
        if not adapted:
            self._applies(_TEXT, False, where)
        steps = self._legal.get("lm_adaptation_steps")
        if steps is not None and adapted != (steps > 0):
            remedy = "give 0 steps, or pretraining_objective lm_adaptation"
            remedy = "give 1 or more steps" if adapted else remedy
            self._report("lm_adaptation_steps", f"does not fit {where}", remedy)

    def _evaluation(self) -> None:
        steps, every = self._legal.get("train_steps"), self._legal.get("eval_every")
        if steps is not None and every is not None and every > steps:
            rule = f"is more than train_steps {steps}, so only the last step would count"
            self._report("eval_every", rule, f"give {steps} or less")

    def _transfer(self) -> None:
        """Other tasks in one order, under names that files and metrics can have."""
        if self._legal.get("transfer_tasks") is None:
            self._applies("transfer_content", False, "a trial without transfer_tasks")
            return
        names = str(self._legal["transfer_tasks"]).split(",")
        right = sorted({*names} - {"", str(self._legal.get("task"))})
        if names != right:
            rule = "is not a list of tasks in order, each once and none the trial's own"
            remedy = f"give {','.join(right)}" if right else "leave it out"
            self._report("transfer_tasks", rule, remedy)
        for name in right:
            if unfit := unfit_name(name):
                self._report("transfer_tasks", f"has {name!r}, which {unfit[0]}", unfit[1])

    def _applies(self, name: str, applies: bool, where: str) -> None:
        if name not in self._legal:
            return
        given = self._legal[name] is not None
        if applies and not given:
            self._report(name, f"is missing for {where}", f"give {self._rules[name].wanted()}")
        if given and not applies:
            self._report(name, f"does not apply to {where}", "leave it out")

    def _report(self, name: str, rule: str, remedy: str) -> None:
        problem = Problem(key=name, value=self._legal[name], rule=rule, remedy=remedy)
        self.found.append(problem)
