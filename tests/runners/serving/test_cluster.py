"""Config files for a cluster: Ray Serve takes them, and mistakes in them are told."""

import dataclasses
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from runners.catalogue import Catalogue
from runners.rules import ConfigError
from runners.serving import cluster
from runners.serving.__main__ import main
from runners.serving.cluster import Arguments, config_of, config_text, read_arguments, shared
from runners.serving.frozen import Frozen
from runners.serving.limits import Limits
from runners.serving.models import served_model
from runners.serving.sources import find_models, parse_sources
from runners.store import Store

deployment = pytest.importorskip(
    "runners.serving.deployment", reason="the extra `serve` is not installed"
)
ROOT = Path(__file__).resolve().parents[3]
MANIFEST = ROOT / "runners" / "serving" / "rayservice.yaml"


def _schema(values: Any) -> Any:
    from ray.serve.schema import ServeDeploySchema

    return ServeDeploySchema.model_validate(values)


def _deployments(application: Any) -> set[str]:
    """Names of what an application deploys, as Ray Serve builds it."""
    from ray.serve._private.build_app import build_app

    return {each.name for each in build_app(application, name="any").deployments}


def test_ray_serve_takes_the_file_and_it_fits_the_application() -> None:
    """Catches a key that Serve refuses on the cluster, and options of a deployment that is not."""
    text = config_text(Arguments(device="cuda", threads=2), host="0.0.0.0", port=80, most=7)
    (application,) = _schema(yaml.safe_load(text)).applications
    model = next(each for each in application.deployments if each.name == cluster.MODEL)
    assert model.num_replicas == "auto"
    assert model.autoscaling_config["max_replicas"] == 7
    assert model.max_ongoing_requests > model.autoscaling_config["target_ongoing_requests"]
    assert (model.ray_actor_options.num_gpus, model.ray_actor_options.num_cpus) == (1, 2)
    module, _, name = application.import_path.partition(":")
    assert (module, name) == (deployment.__name__, deployment.app.__name__)
    made = deployment.app({"prompts": ["shipped"]})
    assert {each.name for each in application.deployments} == _deployments(made)


def test_what_is_written_is_what_is_read(tmp_path: Path) -> None:
    """Catches an argument that is lost on its way through the file, or that moves with a folder."""
    spec = tmp_path / "spec.yaml"
    spec.write_text("{}")
    folder = tmp_path / "p"
    folder.mkdir()
    given = Arguments(
        prompts=("shipped", str(folder), "task=wic", "s3://bucket/store", "seed=1"), votes=3,
        store=str(folder), catalogue=str(spec), device="cpu", threads=4, tokens=100, wait=0.5,
        limits=Limits(items=3, seconds=1.5),
    )  # fmt: skip
    values = yaml.safe_load(config_text(given, host="0.0.0.0", port=8000))
    assert read_arguments(values["applications"][0]["args"]) == given
    assert read_arguments({}) == Arguments()


def test_the_command_writes_absolute_paths_and_leaves_files_alone(
    tmp_path: Path, store: Store, commit_prompt: Callable[..., Any],
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Catches a path that means another folder on the cluster, and a file that is overwritten."""
    for seed in range(2):
        commit_prompt(task="rte", seed=seed)
    monkeypatch.chdir(Path(store.root).parent)
    file = tmp_path / "serve.yaml"
    words = [Path(store.root).name, "task=rte", "--votes", "2", "--replicas", "9"]
    assert main([*words, "--write-config", str(file)]) == 0
    before = file.read_text()
    (application,) = yaml.safe_load(before)["applications"]
    assert application["args"]["prompts"] == [store.root, "task=rte"]
    assert application["deployments"][1]["autoscaling_config"]["max_replicas"] == 9
    assert main(["--write-config", str(file)]) == 2
    assert "is there already; remove it, or name another" in capsys.readouterr().err
    assert file.read_text() == before


def test_a_store_on_a_cluster_wants_a_token(
    store: Store, commit_prompt: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a cluster on which whoever reaches it changes what is served."""
    commit_prompt(task="rte")
    monkeypatch.delenv(cluster.TOKEN_VARIABLE, raising=False)
    with pytest.raises(ValueError, match=f"set {cluster.TOKEN_VARIABLE} below env_vars"):
        deployment.app({"prompts": [store.root]})
    monkeypatch.setenv(cluster.TOKEN_VARIABLE, "secret")
    assert _deployments(deployment.app({"prompts": [store.root]})) == {"front", "model"}


def test_all_mistakes_of_a_file_are_told_at_once() -> None:
    """Catches the second mistake that is found when the first is mended and deployed again."""
    with pytest.raises(ConfigError) as error:
        read_arguments(
            {
                "prompts": ["shipped", 5], "vote": 3, "votes": -1, "device": "gpu",
                "threads": "2", "limits": {"item": 3, "items": 0, "seconds": 0},
            }
        )  # fmt: skip
    whole = "is not a whole number of 1 or more; write a whole number of 1 or more"
    assert str(error.value).splitlines() == [
        "args.vote: 'vote' is not a known key; did you mean 'votes'?",
        "args.votes: -1 is not a whole number of 0 or more; write a whole number of 0 or more",
        "args.device: 'gpu' is not one of auto, cpu, cuda; did you mean 'cpu'?",
        f"args.threads: '2' {whole}",
        "args.prompts[1]: 5 is not a word; write a word",
        "args.limits.item: 'item' is not a known key; did you mean 'items'?",
        f"args.limits.items: 0 {whole}",
        "args.limits.seconds: 0 is not a number above 0; write a number above 0",
    ]


@pytest.mark.parametrize("prompts", [[], "shipped", None, {"a": 1}])
def test_prompts_are_a_list_of_words(prompts: object) -> None:
    """Catches a word that is taken apart into letters, and a server of nothing."""
    with pytest.raises(ConfigError, match="is no list of words; write the words"):
        read_arguments({"prompts": prompts})


def test_paths_that_a_node_does_not_see_are_named_with_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Catches a replica that dies of a missing file without a word on where, and what to do."""
    monkeypatch.setattr("socket.gethostname", lambda: "worker-7")
    gone = str(tmp_path / "gone")
    with pytest.raises(ConfigError) as error:
        read_arguments({"prompts": [gone, "seed=1", "results/x"], "store": gone})
    unseen = (
        "is not there on node worker-7; give a path that every node sees under this name, "
        "or the URL of an object store"
    )
    relative = (
        "is relative to nobody knows what; write an absolute path, "
        "as python -m runners.serving --write-config does"
    )
    assert str(error.value).splitlines() == [
        f"args.prompts[0]: {gone!r} {unseen}",
        f"args.prompts[2]: 'results/x' {relative}",
        f"args.store: {gone!r} {unseen}",
    ]
    frozen = Frozen(family="nano", size="2m", dtype="float32", folder=gone)
    setup = deployment.Setup(models=(), frozen=frozen)
    said = re.escape(f"model: {gone!r} is not there on node worker-7")
    with pytest.raises(ConfigError, match=said):
        deployment.ModelReplica(setup)


def test_a_prompt_of_another_width_stops_the_start(prompts: Mapping[int, Any]) -> None:
    """Catches a server that says it is ready, and fails at every question to one of its models."""
    found = find_models(parse_sources(["shipped"]), Catalogue())
    bad = dataclasses.replace(found.models[0].prompts[0], vectors=prompts[5].numpy())
    models = (*found.models[1:], served_model("bad", [bad]))
    setup = deployment.Setup(models=models, frozen=found.frozen)
    with pytest.raises(ValueError, match="width 24 is not the 128 of the model"):
        deployment.ModelReplica(setup)


def test_a_second_front_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catches two fronts, of which one still serves what the other has replaced."""
    monkeypatch.setattr(
        deployment.serve, "get_replica_context", lambda: SimpleNamespace(world_size=2)
    )
    setup = deployment.Setup(models=(), frozen=Frozen(family="nano", size="2m", dtype="float32"))
    with pytest.raises(ValueError, match="num_replicas 2 is more than 1"):
        deployment._front(setup)


def test_kuberay_gets_what_the_command_writes() -> None:
    """Catches a manifest whose config is another than the one that is written and tested."""
    from ray.autoscaler._private.kuberay.autoscaling_config import (
        _derive_autoscaling_config_from_ray_cr,
    )
    from ray.autoscaler._private.util import validate_config

    manifest = yaml.safe_load(MANIFEST.read_text())
    config = yaml.safe_load(manifest["spec"]["serveConfigV2"])
    assert config == config_of(shared(Arguments()), host="0.0.0.0", port=8000)
    made = manifest["spec"]["rayClusterConfig"]
    assert f"ray=={made['rayVersion']}\n" in (ROOT / "constraints.txt").read_text()
    read = _derive_autoscaling_config_from_ray_cr({"metadata": manifest["metadata"], "spec": made})
    validate_config(read)
    workers = read["available_node_types"]["worker"]
    asked = config["applications"][0]["deployments"][1]
    assert workers["max_workers"] >= asked["autoscaling_config"]["max_replicas"]
    assert workers["resources"]["CPU"] >= asked["ray_actor_options"]["num_cpus"]
