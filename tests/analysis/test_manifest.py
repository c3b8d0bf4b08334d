"""What a sweep consists of, read back from the store."""

from typing import Any

import pytest

from analysis.manifest import read_manifest
from runners.rules import ConfigError


def test_manifest_keeps_every_trial_with_panels_and_config(plain_manifest: Any) -> None:
    """A reader that drops trials, so that missing ones are not seen as missing."""
    values = plain_manifest()

    manifest = read_manifest(values)

    assert [trial.trial_id for trial in manifest.trials] == [
        t["trial_id"] for t in values["trials"]
    ]
    assert [set(t.panels) for t in manifest.trials] == [set(t["panels"]) for t in values["trials"]]
    assert manifest.trials[0].config == values["trials"][0]["config"]
    assert manifest.axes["seed"] == (0, 1)
    assert manifest.spec_sha256 == "5" * 64


def test_field_that_came_after_the_manifest_has_its_default(plain_manifest: Any) -> None:
    """A store of an older version that can no longer be drawn."""
    values = plain_manifest()
    for trial in values["trials"]:
        del trial["config"]["dropout"]

    assert read_manifest(values).trials[0].config["dropout"] == 0.0


def test_every_mistake_is_told_at_once(plain_manifest: Any) -> None:
    """An error that names one mistake and hides the rest."""
    values = plain_manifest()
    first, second, third = values["trials"][:3]
    first["config"]["promt_length"] = 20
    del second["config"]["task"]
    third["panels"] = "scale"

    with pytest.raises(ConfigError) as caught:
        read_manifest(values)

    assert str(caught.value).splitlines() == [
        "promt_length: 'promt_length' is not a known key; did you mean 'prompt_length'?",
        "trials[1].config.task: None is missing; run the sweep again to rewrite the manifest",
        "trials[2].panels: 'scale' is not a list; run the sweep again to rewrite the manifest",
    ]


@pytest.mark.parametrize("key", ["name", "trials", "defaults", "spec_sha256"])
def test_missing_key_of_the_manifest_is_named(plain_manifest: Any, key: str) -> None:
    """A KeyError in place of a message."""
    values = plain_manifest()
    del values[key]

    with pytest.raises(ConfigError, match=rf"^manifest\.{key}: None is missing"):
        read_manifest(values)


def test_trial_that_stands_twice_is_refused(plain_manifest: Any) -> None:
    """A trial that is averaged in twice."""
    values = plain_manifest()
    values["trials"].append(values["trials"][0])

    with pytest.raises(ConfigError, match="stands 2 times"):
        read_manifest(values)


def test_axis_that_is_no_list_is_named(plain_manifest: Any) -> None:
    """A manifest of somebody else's making that ends in a traceback."""
    values = plain_manifest()
    values["axes"]["seed"] = 5

    with pytest.raises(ConfigError, match=r"manifest\.axes\.seed: 5 is not a list; run the sweep"):
        read_manifest(values)
