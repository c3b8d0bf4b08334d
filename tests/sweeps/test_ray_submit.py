"""`ray up` and `python -m sweeps submit` in truth, over SSH to one host made of namespaces."""

import pytest

from runners.store import Store
from tests.slow.hosts import HOME, checkout, fill_in, missing, network

SPEC = """\
name: two
design: star
model_family: nano
axes: {model_size: [60k], task: [cb], seed: [0, 1]}
defaults:
  {prompt_length: 2, prompt_init: class_label, pretraining_objective: span_corruption,
   lm_adaptation_steps: 0}
settings:
  shared: {train_examples: 16, dev_examples: 8, batch_size: 4}
  prompt_tuning: {train_steps: 4, eval_every: 4, learning_rate: 0.3}
execution: {store: STORE, pack_size: 2}
"""


@pytest.mark.timeout(600)
@pytest.mark.skipif(missing() is not None, reason=str(missing()))
def test_a_spec_is_submitted() -> None:
    """A sweep.yaml that Ray's schema likes and no machine does; an exit code that is lost.

    And code that is sent under a sweep that runs.
    """
    with network("head") as net:
        head, folder = net.hosts["head"], checkout(net.base / "checkout")
        store = Store(net.base / "store")
        (folder / "two.yaml").write_text(SPEC.replace("STORE", store.root))
        fill_in(folder, net, head="head", workers=[])
        up = head.run(["ray", "up", "-y", "sweep.yaml"], folder)
        assert up.returncode == 0, up.stdout
        submit = ["python", "-m", "sweeps", "submit", "two.yaml"]
        done = head.run(submit, folder)
        assert done.returncode == 0, done.stdout
        assert "two: all 2 trials are done" in done.stdout
        assert {record.provenance["host"] for record in store.records()} == {"head"}
        source = folder / "runners" / "store.py"
        source.write_text(f"{source.read_text()}# edited since\n")
        refused = head.run([*submit, "--no-sync"], folder)
        assert refused.returncode == 1
        assert "runners/store.py" in refused.stdout

        runs = head.start(["flock", "--shared", f"{HOME}/.promptscale-running", "sleep", "600"])
        refused = head.run(submit, folder)
        for pid in head.processes("sleep 600"):
            head.signal(pid)
        runs.communicate()
        assert refused.returncode == 1
        assert "a sweep that was submitted before still runs" in refused.stdout
        assert "rsync-up" not in refused.stdout
