"""What holds the packages apart, and the habits that ruff and import-linter do not see."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("runners", "ablation", "sweeps", "analysis")
LEAVES = {
    "runners.config",
    "runners.catalogue",
    "runners.catalogue_section",
    "runners.misfits",
    "runners.data.text",
    "runners.model.checkpoint",
    "runners.model.family",
    "runners.model.sizes",
    "runners.record",
    "runners.rules",
    "runners.section",
    "runners.store",
    "runners.tasks.task",
    "runners.tasks.voting",
}
FUNCTION_LINES = 60
FILE_LINES = 400
NOWHERE_NAMES = {"utils", "util", "common", "helpers", "helper", "misc", "other"}
CATCH_ALLS = {"Exception", "BaseException"}


def _sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def _module(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _loaded_by(modules: list[str]) -> set[str]:
    """Top-level packages in `sys.modules` of a fresh interpreter that imports `modules`."""
    code = (
        f"import sys\nimport {', '.join(modules)}\n"
        "print(*(module.partition('.')[0] for module in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def _long_functions(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            if lines > FUNCTION_LINES:
                yield f"{node.name} has {lines} lines"


def _catch_alls(source: str) -> Iterator[str]:
    """Handlers of everything, but for those that end by raising it again."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.ExceptHandler):
            continue
        names = (
            {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)} if node.type else {""}
        )
        last = node.body[-1]
        raises_again = isinstance(last, ast.Raise) and last.exc is None
        if (names & CATCH_ALLS or "" in names) and not raises_again:
            yield f"line {node.lineno} catches everything"


def _imports(source: str) -> Iterator[str]:
    """Every dotted name that the source may import, submodules taken by name included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if _is_module(name) else node.module for name in submodules)


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


@pytest.mark.parametrize(
    ("package", "foreign"),
    [
        ("ablation", {"torch", "ray", "transformers", "datasets", "pandas", "matplotlib"}),
        ("analysis", {"torch", "ray", "transformers", "datasets"}),
    ],
)
def test_every_module_of_a_light_package_stays_light(package: str, foreign: set[str]) -> None:
    """A figure or a plan that loads torch or ray through some module deep in the package."""
    modules = [_module(p) for p in _sources(package) if p.stem != "__main__"]

    assert _loaded_by(modules) & foreign == set()


def test_leaves_load_no_tensors_and_no_tables() -> None:
    """A leaf that costs everything above it the import of torch, ray or pandas."""
    heavy = {"torch", "ray", "transformers", "datasets", "pandas", "matplotlib"}

    assert _loaded_by(sorted(LEAVES)) & heavy == set()


def test_commands_of_one_run_show_their_help_without_tensors() -> None:
    """Seconds of imports before a mistyped option of a trial or an adaptation is told."""
    names = ("lm_adaptation", "model_tuning", "prompt_design", "prompt_tuning", "prompts")

    assert _loaded_by([f"runners.{name}" for name in names]) & {"torch", "transformers"} == set()


@pytest.mark.parametrize("package", ["ablation", "analysis"])
def test_upper_layers_read_only_the_leaves_of_runners(package: str) -> None:
    """A figure or an axis that reaches into the machinery of training."""
    read = {
        f"{_module(path)} imports {name}"
        for path in _sources(package)
        for name in _imports(path.read_text())
        if name.split(".")[0] == "runners" and name not in LEAVES
    }

    assert read == set()


def test_a_runner_works_without_the_packages_above_it() -> None:
    """A trial from the shell that needs the grid, the scheduler or the figures to be there."""
    absent = "".join(
        f"sys.modules[{name!r}] = None\n" for name in ("ablation", "sweeps", "analysis")
    )
    code = (
        f"import runpy, sys\n{absent}sys.argv = ['prompt_tuning', '--help']\n"
        "runpy.run_module('runners.prompt_tuning', run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert "prompt_length" in done.stdout


def test_package_inits_hold_a_docstring_and_nothing_else() -> None:
    """An `__init__` that does work, or that pulls its whole package in."""
    inits = [p for p in _sources(*PACKAGES) if p.name == "__init__.py"]
    full = [_module(p) for p in inits if not _only_a_docstring(p.read_text())]

    assert len(inits) >= len(PACKAGES)
    assert full == []


def _only_a_docstring(source: str) -> bool:
    tree = ast.parse(source)
    return len(tree.body) == 1 and ast.get_docstring(tree) is not None


def test_every_folder_of_code_is_a_package() -> None:
    """A folder without `__init__.py`, which an installation from a wheel would leave out."""
    folders = {path.parent for path in _sources(*PACKAGES)}

    assert [str(f) for f in sorted(folders) if not (f / "__init__.py").exists()] == []


def test_no_file_is_named_after_nothing() -> None:
    """A drawer for odds and ends."""
    sources = [*_sources(*PACKAGES, "tests"), *ROOT.glob("*.py")]
    named = [p for p in sources if NOWHERE_NAMES & set(p.relative_to(ROOT).with_suffix("").parts)]

    assert named == []


def test_functions_and_files_stay_short() -> None:
    """A function or a file that no one reads in one sitting."""
    sources = [*_sources(*PACKAGES, "tests"), *ROOT.glob("*.py")]
    long = [f"{p}: {what}" for p in sources for what in _long_functions(p.read_text())]
    long += [str(p) for p in sources if len(p.read_text().splitlines()) > FILE_LINES]

    assert long == []


def test_nothing_catches_everything() -> None:
    """A handler that hides a bug as if it were an expected failure."""
    sources = [*_sources(*PACKAGES), *ROOT.glob("*.py")]

    assert [f"{p}: {what}" for p in sources for what in _catch_alls(p.read_text())] == []


@pytest.mark.parametrize(
    ("handler", "caught"),
    [
        ("except:\n    pass", True),
        ("except Exception:\n    x = 1", True),
        ("except (ValueError, BaseException) as error:\n    x = error", True),
        ("except BaseException:\n    x = 1\n    raise", False),
        ("except ValueError:\n    x = 1", False),
    ],
)
def test_the_search_for_catch_alls_finds_them(handler: str, caught: bool) -> None:
    """A search that is blind, and therefore always content."""
    assert bool(list(_catch_alls(f"try:\n    x = 0\n{handler}\n"))) is caught


def test_the_search_for_long_functions_counts_lines() -> None:
    """A limit that is off by one, or that never bites."""
    body = "    x = 1\n"

    assert list(_long_functions("def f():\n" + body * (FUNCTION_LINES - 1))) == []
    assert list(_long_functions("def f():\n" + body * FUNCTION_LINES)) == ["f has 61 lines"]
