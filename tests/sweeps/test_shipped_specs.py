"""The specs that ship: all are legal, and those of the paper ask for what the paper ran."""

import shutil
import socket
from collections import Counter
from pathlib import Path

import pytest

from ablation.search import SEARCHED
from runners.config import adaptation_of, identity
from runners.data.text import read_text
from runners.tasks.embedded import DOMAINS
from runners.tasks.own import ABSENT
from sweeps.cli import main
from sweeps.packs import packs_of
from sweeps.plan import survey
from sweeps.spec import SpecError, SweepSpec, load

SPECS = Path(__file__).parents[2] / "sweeps" / "specs"
ADAPTED = ("figure3d_lm_adaptation_steps", "paper", "paper_complete")
"""Specs that adapt models to a text, which does not ship."""
FIGURE3 = {
    "figure3a_prompt_length": "prompt_length",
    "figure3b_prompt_init": "prompt_init",
    "figure3c_pretraining_objective": "pretraining_objective",
    "figure3d_lm_adaptation_steps": "lm_adaptation_steps",
}


def read(name: str) -> SweepSpec:
    """A spec that ships, as `plan` reads it."""
    return load(SPECS / f"{name}.yaml", to_run=False)


def ids(spec: SweepSpec, panel: str | None = None) -> set[str]:
    """The trials of a spec, or of one of its panels."""
    return {t.config.trial_id for t in spec.trials if panel is None or panel in t.panels}


@pytest.fixture
def apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the specs beside which there is nothing of what they name, and a place to run."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "sweeps" / "specs"
    shutil.copytree(SPECS, folder)
    return folder


def _write_text(folder: Path) -> None:
    folder.mkdir(parents=True)
    text = "\n\n".join(f"Sentence {n}." for n in range(500))
    (folder / "a.txt").write_text(text)


@pytest.fixture
def with_text(apart: Path, tmp_path: Path) -> Path:
    """A copy of the specs with a text where they look for it."""
    _write_text(tmp_path / "data" / "c4")
    return apart


@pytest.mark.parametrize("path", sorted(SPECS.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_spec_is_legal(path: Path) -> None:
    """Catches a spec that its first user cannot plan, or whose trials are not all different."""
    spec = load(path, to_run=False)
    assert spec.name == path.stem
    assert len(ids(spec)) == len(spec.trials) > 0


def test_the_paper_is_195_runs() -> None:
    """Catches a configuration that is missing or too much (Lester et al. 2021, A.2).

    A run is all eight tasks. 13 configurations: model tuning, multi-task model tuning,
    the default prompt, 4 other lengths, 2 other starts, 2 other objectives, and 10,000
    and 50,000 steps; the 0 steps of Figure 3d are its span corruption.
    """
    trials = [trial.config for trial in read("paper").trials]
    tasks = Counter(
        tuple((key, value) for key, value in identity(config).items() if key != "task")
        for config in trials
    )
    assert len(tasks) == 195
    assert set(tasks.values()) == {8}
    assert len(trials) == 195 * 8 == 1560
    cells = {
        (c.method, c.prompt_length, c.prompt_init, c.pretraining_objective, c.lm_adaptation_steps)
        for c in trials
    }
    assert len(cells) == 13
    assert Counter(config.model_size for config in trials) == dict.fromkeys(
        ("small", "base", "large", "xl", "xxl"), 13 * 3 * 8
    )


def test_multi_task_tuning_is_one_training_a_size_and_seed() -> None:
    """Catches eight trainings in place of one that eight records share."""
    configs = [t.config for t in read("paper").trials if t.config.method.startswith("multi")]
    assert len({config.run_id for config in configs}) == 5 * 3
    assert len(configs) == 5 * 3 * 8


def test_the_paper_trains_as_the_paper_says() -> None:
    """Catches a setting that is not that of Lester et al. 2021, 3 and 3.1."""
    for trial in read("paper").trials:
        config = trial.config
        asked = (config.batch_size, config.learning_rate, config.train_steps, config.dropout)
        wanted = {
            "prompt_tuning": (32, 0.3, 30_000, 0.1),
            "model_tuning": (2**16 // 512, 0.001, 30_000, 0.1),
            "multitask_model_tuning": (2**20 // 512, 0.001, 10_000, 0.1),
        }
        assert asked == wanted[config.method]
        assert config.task_prefix == (config.method == "multitask_model_tuning")
        assert (config.eval_every, config.compute_dtype) == (1000, "bfloat16")
        assert config.data_source == "superglue"


def test_what_is_released_is_not_adapted() -> None:
    """Catches months of adaptation to a checkpoint that can be had."""
    own = {
        trial.config.lm_adaptation_steps: trial.config.lm_adaptation_batch_size
        for trial in read("paper").trials
    }
    assert own == {0: None, 10_000: 128, 50_000: 128, 100_000: None}


def test_the_complete_grid_has_the_paper_in_it() -> None:
    """Catches a cross product that leaves a cell out, or that runs the paper's trials again."""
    complete = read("paper_complete")
    methods = Counter(trial.config.method for trial in complete.trials)
    sentinel = 5 * 8 * 3
    assert methods == {
        "prompt_tuning": 5 * 5 * 3 * 4 * 8 * 3 + sentinel,
        "model_tuning": 5 * 8 * 3,
        "multitask_model_tuning": 5 * 8 * 3,
    }
    assert ids(read("paper")) < ids(complete)


def test_the_search_is_that_of_table_6() -> None:
    """Catches a search of another size or space (Lester et al. 2021, A.2 and Table 6)."""
    spec = read("paper_search")
    settings = {
        method: {
            tuple(getattr(trial.config, name) for name in SEARCHED)
            for trial in spec.trials
            if trial.config.method == method
        }
        for method in ("prompt_tuning", "model_tuning")
    }
    assert {method: len(tried) for method, tried in settings.items()} == {
        "prompt_tuning": 40, "model_tuning": 37,
    }  # fmt: skip
    assert len(spec.trials) == 77 * 8
    configs = [trial.config for trial in spec.trials]
    assert {config.batch_size for config in configs} == {32, 64, 128, 256, 512}
    assert {config.train_steps for config in configs} == {10_000, 20_000, 30_000}
    assert {config.warmup_steps for config in configs} == {0, 2000, 3000}
    assert {config.decay_factor for config in configs} == {None, 0.1, 0.5}
    assert {config.decay_every for config in configs} == {None, 4000, 6000, 8000}
    rates = [config.learning_rate or 0 for config in configs]
    assert 0.001 <= min(rates) <= max(rates) <= 0.5


@pytest.mark.parametrize("name", ["figure1", *FIGURE3])
def test_a_figure_runs_its_panel_and_nothing_else(name: str) -> None:
    """Catches a figure that trains what the paper's sweep has trained, or lacks a point of it."""
    part, paper = read(name), read("paper")
    panel = FIGURE3.get(name, "scale")
    assert ids(part) == ids(part, panel) == ids(paper, panel)
    assert part.execution == paper.execution


def test_the_tables_add_what_the_paper_has_not() -> None:
    """Catches five new prompts where two are new, or a timing of all eight tasks."""
    paper = read("paper")
    known = ids(paper)
    ensembles, runtimes = read("table3_ensembling"), read("table5_runtimes")
    new = [t.config for t in ensembles.trials if t.config.trial_id not in known]
    assert {(config.model_size, config.seed) for config in new} == {("xxl", 3), ("xxl", 4)}
    assert (len(ensembles.trials), len(new)) == (5 * 8, 2 * 8)
    new = [t.config for t in runtimes.trials if t.config.trial_id not in known]
    assert {config.prompt_length for config in new} == {50}
    assert {trial.config.task for trial in runtimes.trials} == {"boolq"}
    assert (len(runtimes.trials), len(new)) == (5 * 4 * 3, 5 * 3)
    assert {packed.execution.pack_size for packed in (paper, runtimes)} == {1}
    assert {each.execution.store for each in (paper, ensembles, runtimes)} == {"results/paper"}


def test_prompt_design_stands_beside_the_same_prompts() -> None:
    """Catches prompts that are tuned again to be compared with hand-written ones."""
    trials = read("figure1_prompt_design").trials
    tuned = {t.config.trial_id for t in trials if t.config.method == "prompt_tuning"}
    assert tuned < ids(read("paper"))
    assert Counter(t.config.method for t in trials) == {"prompt_tuning": 120, "prompt_design": 40}


def test_a_plan_reads_neither_the_net_nor_a_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a plan that waits for the hub, or that writes a store where nothing was run."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("the plan went to the net")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    assert main(["plan", str(SPECS / "paper.yaml")]) == 0
    told = capsys.readouterr().out.splitlines()
    assert told[0].startswith("paper: star design on t5, 1,560 trials and 10 adaptation milestones")
    assert "That decides the ids of 240 trials and 10 milestones." in told
    assert list(tmp_path.iterdir()) == []


def test_data_and_checkpoints_that_are_not_there_are_told_and_not_run(
    apart: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a plan that asks for the user's data first, and a run that finds out in a worker."""
    (tmp_path / "data" / "glue").mkdir(parents=True)
    path = apart / "english.yaml"
    assert main(["plan", str(path)]) == 0
    told = capsys.readouterr().out
    ladder = tmp_path / "results" / "english" / "ladder"
    unmade = "does not exist; make it, or correct its family file"
    assert "data.superglue.dir: '../../data/superglue' is not a folder" in told
    assert "data.glue" not in told
    assert all(
        f"  checkpoint {ladder / name} {unmade}\n" in told
        for name in ("tokenizer", "small", "medium", "large")
    )
    assert main(["run", str(path)]) == 2
    assert "data.superglue.dir" in capsys.readouterr().err
    (tmp_path / "data" / "superglue").mkdir()
    _write_text(tmp_path / "results" / "english" / "text")
    assert main(["run", str(path)]) == 2
    assert f"checkpoint {ladder / 'small'} {unmade}\n" in capsys.readouterr().err
    for size in ("small", "medium", "large"):
        (ladder / size).mkdir(parents=True)
    assert main(["plan", str(path)]) == 0
    told = capsys.readouterr().out
    assert told.count(unmade) == 1
    assert f"  checkpoint {ladder / 'tokenizer'} {unmade}\n" in told


def test_own_files_that_are_not_there_are_told_and_not_run(
    apart: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a spec of one's own data that nobody can plan before the data is made."""
    path = apart / "english_domain_shift.yaml"
    assert main(["plan", str(path)]) == 0
    told = capsys.readouterr().out
    for place in ("squad_articles.train", "new_wiki.dev", "nyt.dev"):
        assert f"tasks.{place}: " in told
    assert "there is no such file" in told
    assert "That decides the ids of 6 trials and 1 milestones." in told
    assert main(["run", str(path)]) == 2
    assert "tasks.new_wiki.dev: " in capsys.readouterr().err


@pytest.mark.parametrize("name", ADAPTED)
def test_without_its_text_nothing_starts(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Catches a run under ids that stand for no text."""
    monkeypatch.chdir(tmp_path)
    path = SPECS / f"{name}.yaml"
    if ABSENT not in read(name).catalogue.texts:
        pytest.skip(f"{path} finds its text here")
    assert main(["run", str(path)]) == 2
    told = capsys.readouterr().err
    assert "settings.lm_adaptation.text: " in told
    assert "does not exist; give a folder of .txt or .jsonl files" in told
    with pytest.raises(SpecError):
        load(path)
    assert list(tmp_path.iterdir()) == []


def test_a_text_moves_the_ids_of_what_is_adapted_to_it_alone(with_text: Path) -> None:
    """Catches results that are lost to a spec once its text is there."""
    before, after = read("paper"), load(with_text / "paper.yaml")
    known = ids(before)
    moved = [t.config for t in after.trials if t.config.trial_id not in known]
    assert {config.lm_adaptation_steps for config in moved} == {10_000, 50_000}
    assert len(moved) == 2 * 5 * 8 * 3
    fingerprint = read_text(with_text.parents[1] / "data" / "c4").fingerprint
    assert {config.lm_adaptation_text for config in moved} == {fingerprint}
    assert after.absent == ()
    part = load(with_text / "figure3d_lm_adaptation_steps.yaml")
    assert ids(part) == ids(after, "lm_adaptation_steps")


def test_everything_of_the_paper_is_given_out(
    with_text: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Catches a trial that no pack has, and a mixture that packs tear apart."""
    monkeypatch.chdir(tmp_path)
    spec = load(with_text / "paper.yaml")
    packs = packs_of(survey(spec), workers=4, slots=spec.execution.pack_size)
    given = Counter(config.trial_id for pack in packs for config in pack.trials)
    assert given == dict.fromkeys(ids(spec), 1)
    adapted = {pack.adaptation.model_size: pack.milestones for pack in packs if pack.adaptation}
    assert adapted == dict.fromkeys(("small", "base", "large", "xl", "xxl"), (10_000, 50_000))
    mixed = Counter(
        run
        for pack in packs
        for run in {config.run_id for config in pack.trials if config.mixture is not None}
    )
    assert set(mixed.values()) == {1}


def test_transfer_on_a_laptop_takes_what_laptop_has_adapted() -> None:
    """Catches a setting of adaptation by which minutes are spent a second time."""

    def adapted(name: str) -> set[object]:
        configs = [trial.config for trial in read(name).trials]
        return {(adaptation_of(c), c.lm_adaptation_steps) for c in configs if adaptation_of(c)}

    assert len(adapted("laptop_transfer")) == 2
    assert adapted("laptop_transfer") < adapted("laptop")
    assert read("laptop_transfer").execution.store == read("laptop").execution.store


def test_transfer_on_a_laptop_asks_for_tables_1_to_3() -> None:
    """Catches a task that is judged on others for nothing, or prompts too few to vote."""
    configs = [trial.config for trial in read("laptop_transfer").trials]
    asked = {config.task: config.transfer_tasks for config in configs}
    assert asked["mrpc"] == "qqp"
    assert asked["qqp"] == "mrpc"
    assert str(asked["squad"]).split(",") == sorted(DOMAINS)
    assert {config.seed for config in configs} == {0, 1, 2}
    assert {config.method for config in configs} == {"prompt_tuning", "model_tuning"}
