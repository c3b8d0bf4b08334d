"""The manifest: what analysis will find in the store."""

import json
from pathlib import Path

from analysis.manifest import read_manifest
from runners.config import from_mapping
from sweeps.manifest import manifest
from sweeps.spec import SweepSpec


def test_analysis_reads_what_the_driver_writes(spec: SweepSpec) -> None:
    """A key under another name on the two sides would leave the figures without a sweep."""
    read = read_manifest(json.loads(json.dumps(manifest(spec, code="c1"))))
    assert (read.name, read.design, read.code) == ("small", "star", "c1")
    assert (read.spec, read.spec_sha256) == (spec.text, spec.sha256)
    told = manifest(spec, code="c1")["spec_path"]
    assert Path(told) == Path(spec.path).resolve()
    assert read.axes["prompt_length"] == (1, 20)
    assert read.axes["prompt_init"] == ("class_label",)
    assert read.defaults["lm_adaptation_steps"] == 1000
    assert [trial.trial_id for trial in read.trials] == [t.config.trial_id for t in spec.trials]
    for trial, planned in zip(read.trials, spec.trials, strict=True):
        assert trial.panels == planned.panels
        assert from_mapping(trial.config) == planned.config
