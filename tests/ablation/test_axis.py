"""Axes: one word at every station, and the order and labels of values."""

import importlib
import subprocess
import sys
from dataclasses import fields

import pytest

from ablation import method
from ablation.axes import ABLATED, AXES, CROSSED
from ablation.axis import Axis
from ablation.cell import Cell
from ablation.grid import PANELS, SCALE
from ablation.study import AxisValues
from runners.catalogue import TASKS_OF
from runners.config import METHODS, RULES


@pytest.mark.parametrize("axis", [*AXES, method.AXIS], ids=lambda axis: axis.name)
def test_one_word_at_every_station(axis: Axis) -> None:
    """An axis that was renamed at one station only would read values that nobody sets."""
    assert axis.name in RULES
    assert importlib.import_module(f"ablation.{axis.name}").AXIS is axis
    assert axis.panel is None or axis.panel in PANELS


def test_spec_keys_and_cells_are_the_axes() -> None:
    """An axis missing from the values of a study or from a cell would never vary."""
    assert [field.name for field in fields(AxisValues)] == [axis.name for axis in AXES]
    assert [field.name for field in fields(Cell)] == [axis.name for axis in ABLATED]
    assert {axis.name for axis in (*ABLATED, *CROSSED)} == {axis.name for axis in AXES}


def test_panels_of_ablated_axes_carry_their_names() -> None:
    """A panel under another name than its axis would be drawn from the wrong column."""
    assert [axis.panel for axis in ABLATED] == [axis.name for axis in ABLATED]
    assert PANELS[0] == SCALE == method.AXIS.panel
    assert [axis.figure for axis in ABLATED] == [f"Figure 3{letter}" for letter in "abcd"]


@pytest.mark.parametrize("axis", [*AXES, method.AXIS], ids=lambda axis: axis.name)
def test_levels_are_the_legal_words(axis: Axis) -> None:
    """A legal word without a label would be drawn under its raw name, or last."""
    tasks = {name for tasks in TASKS_OF.values() for name in tasks}
    legal = {"method": METHODS, "task": tasks}.get(axis.name, RULES[axis.name].choices)
    assert sorted(level.value for level in axis.levels) == sorted(legal)


@pytest.mark.parametrize("axis", [*AXES, method.AXIS], ids=lambda axis: axis.name)
def test_an_axis_asks_one_question(axis: Axis) -> None:
    """An axis that asks nothing, or several things, has no place in a figure's caption."""
    assert axis.question.endswith("?")
    assert axis.question.count("?") == 1


@pytest.mark.parametrize(
    ("name", "values", "ordered"),
    [
        ("prompt_length", [20, 5, 100, 1], [1, 5, 20, 100]),
        ("lm_adaptation_steps", [1000, 0, 50], [0, 50, 1000]),
        ("prompt_init", ["class_label", "random_uniform"], ["random_uniform", "class_label"]),
        ("task", ["mine", "wsc", "yours", "boolq"], ["boolq", "wsc", "mine", "yours"]),
        ("model_size", ["60k", "200k", "2m"], ["60k", "200k", "2m"]),
    ],
)
def test_order_of_values(name: str, values: list[int | str], ordered: list[int | str]) -> None:
    """Values in the order of text would put 100 before 20, and 200k before 60k."""
    axis = next(axis for axis in AXES if axis.name == name)
    assert axis.ordered(values) == ordered


def test_labels_of_values() -> None:
    """A raw value in a legend would not read as the paper's figures do."""
    axes = {axis.name: axis for axis in AXES}
    assert axes["prompt_init"].label_of("class_label") == "Class label"
    assert axes["lm_adaptation_steps"].label_of(10000) == "10,000"
    assert axes["task"].label_of("my_task") == "my_task"


def test_ablation_and_its_leaves_load_no_tensors() -> None:
    """A heavy import would make every plan and figure wait for torch or ray."""
    code = (
        "import sys, ablation.grid, ablation.axes, ablation.parameter_count\n"
        "print(sorted({'torch', 'ray', 'pandas', 'transformers'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
