"""The cluster files that ship: Ray takes them as they are, and so does the planner."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from ray.autoscaler._private.kuberay.autoscaling_config import (
    _derive_autoscaling_config_from_ray_cr,
)
from ray.autoscaler._private.util import prepare_config, validate_config

from sweeps import nodes

ROOT = Path(__file__).resolve().parents[2]
KUBERAY = ROOT / "sweeps" / "clusters" / "kuberay.yaml"
OWN = ROOT / "sweep.yaml"
LAUNCHED = [OWN, *sorted(set((ROOT / "sweeps" / "clusters").glob("*.yaml")) - {KUBERAY})]


def read(path: Path) -> dict[str, Any]:
    """A cluster file as Ray reads it."""
    values: dict[str, Any] = yaml.safe_load(path.read_text())
    return values


@pytest.mark.parametrize("path", LAUNCHED, ids=lambda path: path.stem)
def test_ray_takes_it(path: Path) -> None:
    """A key that `ray up` refuses, on the day when the machines are paid for."""
    prepared = prepare_config(read(path))

    validate_config(prepared)
    assert prepared["head_node_type"] in prepared["available_node_types"]


@pytest.mark.parametrize("path", LAUNCHED, ids=lambda path: path.stem)
def test_no_command_of_ray_s_own_is_added(path: Path) -> None:
    """Ray's defaults for a cloud, which install another version of Ray than the pinned one."""
    prepared, written = prepare_config(read(path)), read(path)
    wanted = {"setup_commands", "head_start_ray_commands", "worker_start_ray_commands"}

    assert wanted <= set(written)
    assert "ray-wheels" not in str(prepared)


def test_kuberay_takes_its_manifest() -> None:
    """A manifest that the operator accepts and Ray's autoscaler cannot read."""
    job = read(KUBERAY)
    cluster = {"metadata": job["metadata"], "spec": job["spec"]["rayClusterSpec"]}
    config = _derive_autoscaling_config_from_ray_cr(cluster)

    validate_config(config)
    worker = config["available_node_types"]["worker"]
    assert worker["resources"]["GPU"] == 1
    assert config["available_node_types"]["headgroup"]["resources"]["CPU"] == 0


def test_kuberay_s_image_has_the_pinned_ray() -> None:
    """A cluster of one version of Ray and a driver of another, which Ray refuses."""
    version = read(KUBERAY)["spec"]["rayClusterSpec"]["rayVersion"]

    assert f"ray=={version}\n" in (ROOT / "constraints.txt").read_text()


@pytest.mark.parametrize("path", [*LAUNCHED, KUBERAY], ids=lambda path: path.stem)
def test_the_planner_reads_it(path: Path) -> None:
    """A shipped file whose nodes cannot be planned with."""
    types = nodes.load(path)

    assert any(each.gpus for each in types)
    assert all(each.price_per_hour is not None for each in types)


def test_a_checkout_lands_in_one_place() -> None:
    """One file that mounts elsewhere, where `sweeps/submit.py` does not look."""
    mounts = {path.stem: read(path)["file_mounts"] for path in LAUNCHED}

    assert set(map(str, mounts.values())) == {"{'~/promptscale': '.'}"}
