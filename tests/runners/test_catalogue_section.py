"""What a spec adds to the names that exist."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from runners.catalogue import Catalogue, DataPlace
from runners.catalogue_section import (
    add_family,
    add_text,
    load_catalogue,
    read_catalogue,
    with_fingerprint,
)
from runners.data.text import read_text
from runners.model.family import Place, shipped
from runners.rules import Problem
from runners.section import Section

FAMILY = "architecture: t5\nsizes:\n  a: {checkpoint: ./a, parameters: 10, width: 4}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A family file, a task's rows and a copy of a benchmark, beside where a spec would be."""
    (tmp_path / "mine.yaml").write_text(FAMILY)
    (tmp_path / "rows.tsv").write_text("text\tlabel\na\t0\nb\t1\n")
    (tmp_path / "superglue").mkdir()
    return tmp_path


GOOD: dict[str, Any] = {
    "families": ["mine.yaml"],
    "tasks": {
        "rows": {"train": "rows.tsv", "dev": "rows.tsv", "input": "{text}", "target": "{label}"}
    },
    "data": {"superglue": {"dir": "superglue"}, "glue": {"revision": "abc"}},
}


def test_all_three_are_added(folder: Path) -> None:
    """Catches a path taken from where the command runs, or a shipped family that is gone."""
    problems: list[Problem] = []
    found = read_catalogue(Section({**GOOD, "name": "of a spec"}, problems), folder)
    assert problems == []
    assert set(found.families) == {*shipped(), "mine"}
    assert found.families["mine"].rungs["a"].checkpoint.path == folder / "a"
    assert found.own_tasks["rows"].train == folder / "rows.tsv"
    assert found.data == {
        "superglue": DataPlace(folder=folder / "superglue"), "glue": DataPlace(revision="abc"),
    }  # fmt: skip
    assert found.origin("own", "rows") is found.own_tasks["rows"]
    assert found.origin("glue", "sst2") == DataPlace(revision="abc")
    assert found.origin("squad", "squad") == DataPlace()


def test_checkpoints_of_the_hub_are_read_from_copies(folder: Path) -> None:
    """The paper's specs, which cannot run without a family of another name and other trials."""
    (folder / "mine.yaml").write_text(FAMILY.replace("./a", "us/one@abc"))
    problems: list[Problem] = []
    models = {"t5": {"dir": "superglue"}, "mine": {"dir": "superglue"}}
    found = read_catalogue(Section({**GOOD, "models": models}, problems), folder)
    assert problems == []
    small, copies = found.families["t5"].rungs["small"], folder / "superglue"
    assert small.checkpoint == small.tokenizer == Place(path=copies / "t5-v1_1-small")
    assert small.adapted == {100_000: Place(path=copies / "t5-small-lm-adapt")}
    assert (small.parameters, small.shape) == (
        shipped()["t5"].rungs["small"].parameters, shipped()["t5"].rungs["small"].shape,
    )  # fmt: skip
    assert found.families["mine"].rungs["a"].checkpoint == Place(path=copies / "one")
    assert found.families["pythia"] == shipped()["pythia"]
    assert "does not exist" in small.missing()[0]


def test_places_do_not_depend_on_where_a_worker_runs(
    folder: Path, text_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a sweep of a spec by its relative path, whose workers find none of its data."""
    monkeypatch.chdir(folder.parent)
    (folder / "text").symlink_to(text_folder)
    values = {**GOOD, **_adapted("text")}
    found = read_catalogue(Section(values, []), Path(folder.name))
    places = [
        found.families["mine"].rungs["a"].checkpoint.path,
        found.own_tasks["rows"].train,
        found.own_tasks["rows"].dev,
        found.data["superglue"].folder,
        *found.texts.values(),
    ]
    assert [place for place in places if place is None or not place.is_absolute()] == []


def test_tasks_are_meant_by_their_names(folder: Path) -> None:
    """Catches a user's task that is looked for in a benchmark, or a benchmark in the microworld."""
    found = read_catalogue(Section(GOOD, []), folder)
    own = {"data_source": "own", "task_content": found.own_tasks["rows"].content}
    assert found.fields_of("rows", "microworld") == found.fields_of("rows", "published") == own
    for source, expected in [("published", "glue"), ("microworld", "microworld")]:
        assert found.fields_of("sst2", source) == {"data_source": expected, "task_content": None}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"families": "mine.yaml"}, ["families: 'mine.yaml' is not a list; write [mine.yaml]"]),
        (
            {"families": ["other.yaml"]},
            ["families[0]: 'other.yaml' cannot be used: model_family: FOLDER/other.yaml cannot be"],
        ),
        (
            {"families": ["nano.yaml"]},
            ["families[0]: 'nano.yaml' is a second family 'nano'; rename the file"],
        ),
        (
            {"data": {"superglu": {"dir": "superglue"}}},
            ["data.superglu: 'superglu' is not a known key; did you mean 'superglue'?"],
        ),
        (
            {"data": {"superglue": {"dir": "superglu"}}},
            ["data.superglue.dir: 'superglu' is not a folder; is 'superglue' it?"],
        ),
        (
            {"data": {"glue": {"dir": "superglue", "revision": "a"}}},
            [
                (
                    "data.glue.dir: 'superglue' stands beside revision, which is the hub's; give "
                    "dir or revision"
                )
            ],
        ),
        ({"data": {"glue": {}}}, ["data.glue.dir: None is missing; give dir or revision"]),
        (
            {"data": {"glue": {"revision": 5}}},
            ["data.glue.revision: 5 is not a word; write a word"],
        ),
        (
            {"models": {"t6": {"dir": "superglue"}}},
            ["models.t6: 't6' is not a known key; did you mean 't5'?"],
        ),
        (
            {"models": {"t5": {"dir": "superglu"}}},
            ["models.t5.dir: 'superglu' is not a folder; is 'superglue' it?"],
        ),
        ({"models": {"t5": {}}}, ["models.t5.dir: None is missing; give a word"]),
        (
            {"models": {"nano": {"dir": "superglue"}}},
            ["models.nano: 'superglue' has no checkpoint of the hub; leave it out"],
        ),
        ({"tasks": {"rows": {"train": "rows.tsv"}}}, ["tasks.rows.dev: None is missing; give"] * 3),
    ],
)
def test_every_mistake_is_told(folder: Path, changes: dict[str, Any], told: list[str]) -> None:
    """Catches a family, a task or a folder that turns out to be missing in a worker."""
    (folder / "nano.yaml").write_text(FAMILY)
    problems: list[Problem] = []
    read_catalogue(Section({**GOOD, **changes}, problems), folder)
    assert len(problems) == len(told)
    expected = re.escape(told[0].replace("FOLDER", str(folder)))
    assert re.match(expected, str(problems[0])), str(problems[0])


def test_a_file_of_its_own_serves_single_trials(folder: Path) -> None:
    """Catches a catalogue that only a whole spec can bring."""
    path = folder / "catalogue.yaml"
    path.write_text(yaml.safe_dump(GOOD))
    assert set(load_catalogue(path).own_tasks) == {"rows"}
    path.write_text(yaml.safe_dump({**GOOD, "families": ["zzz.yaml"]}))
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: families"):
        load_catalogue(path)
    with pytest.raises(ValueError, match=r"cannot be read \(.*\); give a YAML file$"):
        load_catalogue(folder / "gone.yaml")


def _adapted(text: object) -> dict[str, Any]:
    return {"settings": {"lm_adaptation": {"seed": 0, "text": text}, "shared": {"seed": 1}}}


def test_the_text_of_a_spec_lies_beside_it(text_folder: Path) -> None:
    """Catches a text looked for where the command runs, or a folder in the id of a milestone."""
    base, values = text_folder.parent, _adapted(text_folder.name)
    problems: list[Problem] = []
    found = read_catalogue(Section(values, problems), base)
    fingerprint = read_text(text_folder).fingerprint
    assert problems == []
    assert found.texts == {fingerprint: text_folder.resolve()}
    assert with_fingerprint(values, found, base) == _adapted(fingerprint)
    # The values of the spec stay as they were written.
    assert values == _adapted(text_folder.name)


@pytest.mark.parametrize("values", [{}, {"settings": 3}, _adapted(None), _adapted(3), _adapted("")])
def test_a_spec_without_a_text_reads_none(tmp_path: Path, values: dict[str, Any]) -> None:
    """Catches a traceback for a spec whose mistakes others report."""
    problems: list[Problem] = []
    found = read_catalogue(Section(values, problems), tmp_path)
    assert (problems, found.texts) == ([], {})
    assert with_fingerprint(values, found, tmp_path) == values


def test_a_text_that_cannot_be_read_is_one_more_mistake(folder: Path) -> None:
    """Catches an error that hides the others, or that does not say which file."""
    (folder / "text").mkdir()
    (folder / "text" / "a.txt").write_bytes(b"\xff")
    problems: list[Problem] = []
    values = {**_adapted("text"), "families": ["gone.yaml"]}
    read_catalogue(Section(values, problems), folder)
    assert [problem.key for problem in problems] == ["families[0]", "settings.lm_adaptation.text"]
    assert str(problems[1]) == (
        f"settings.lm_adaptation.text: '{folder / 'text' / 'a.txt'}' is not UTF-8 at byte 0; "
        "save it as UTF-8"
    )


def test_a_command_adds_a_family_and_a_text(folder: Path, text_folder: Path) -> None:
    """Catches a family file that replaces a shipped family, or a name that is read as a file."""
    catalogue, name = add_family(Catalogue(), str(folder / "mine.yaml"))
    assert name == "mine" and set(catalogue.families) == {*shipped(), "mine"}
    assert add_family(catalogue, "nano") == (catalogue, "nano")
    catalogue, fingerprint = add_text(catalogue, text_folder)
    assert catalogue.texts == {fingerprint: text_folder.resolve()}
    (folder / "nano.yaml").write_text(FAMILY)
    message = f"{folder / 'nano.yaml'}: is a second family 'nano'; rename the file"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        add_family(catalogue, str(folder / "nano.yaml"))
