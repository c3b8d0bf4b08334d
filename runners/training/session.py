"""Trials of one model from a queue to the store: resume, train, checkpoint, commit."""

import itertools
import json
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from operator import methodcaller
from typing import Any

import torch
from safetensors.torch import save_file

from runners.catalogue import Catalogue
from runners.config import TrialConfig, to_mapping
from runners.model.backbone import Backbone, device_of
from runners.model.device import describe
from runners.prompt.neighbours import near_prompt, neighbour_rows, summary
from runners.record import Failure, TrialRecord
from runners.store import Store
from runners.training.judging import answer_rows
from runners.training.memory import Rooms
from runners.training.pack import run_pack, start
from runners.training.provenance import code_fingerprint, surroundings
from runners.training.ranks import ALONE, Ranks
from runners.training.trial import Member, TrialRun, other_origins

CHECKPOINT_SECONDS = 120.0
"""Running trials are saved this often, so a kill loses two minutes at most."""
STATE = "run.safetensors"
"""The name of a running trial's checkpoint in the store."""


@dataclass(kw_only=True)
class Session:
    """Runs trials of one frozen model and keeps the store current."""

    backbone: Backbone
    store: Store
    catalogue: Catalogue
    slots: int
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    ranks: Ranks = ALONE
    """The processes that share the trials, each of which runs this."""
    rooms: Rooms = field(default_factory=Rooms)
    """How much may go through the model at once, which memory decides."""
    taken: int = 0
    """Trials that were taken from the queue."""
    committed: int = 0
    """Trials that came through, here or elsewhere meanwhile."""
    failed: int = 0
    """Trials that diverged."""
    resumed: dict[TrialConfig, int] = field(default_factory=dict)
    """Trials that went on from a checkpoint, and the steps that it had behind it."""
    restarted: dict[TrialConfig, list[str]] = field(default_factory=dict)
    """Trials that began anew although they had a checkpoint, and which of its origins moved."""
    started: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    _saved: float = field(default_factory=time.monotonic)
    _starts: dict[str, float] = field(default_factory=dict)
    """How near the prompt of each run was to the vocabulary at its start."""

    def train(self, configs: Iterable[TrialConfig]) -> Iterator[Sequence[TrialRun]]:
        """Train what the store does not have; yields the live trials after each step of all."""
        steps = run_pack(
            self.backbone, self._runs(configs), slots=self.slots, observer=self, rooms=self.rooms
        )
        for live in steps:
            if self.ranks.agreed(time.monotonic() - self._saved >= self.checkpoint_seconds):
                self.checkpoint(live)
            yield live

    def _runs(self, configs: Iterable[TrialConfig]) -> Iterator[TrialRun]:
        for _, group in itertools.groupby(configs, key=lambda config: config.run_id):
            asked = list(group)
            self.taken += len(asked)
            done = self.ranks.agreed(self.store.done(config.trial_id for config in asked))
            missing = [config for config in asked if config.trial_id not in done]
            self.committed += len(asked) - len(missing)
            if missing:
                fresh = start(missing, self.backbone, self.catalogue)
                if "prompt" in fresh.parameters:
                    near = near_prompt(fresh.parameters["prompt"], self.backbone)
                    self._starts[fresh.config.run_id] = near.similarity
                yield self._restored(fresh)
            elif self.ranks.is_first:
                self.store.clear_state(asked[0].run_id)

    def _restored(self, run: TrialRun) -> TrialRun:
        """The run as its checkpoint left it, where that comes from the same origins."""
        checkpoint = self.store.load_state(run.config.run_id, STATE)
        if self.ranks.agreed(checkpoint is None):
            return run
        assert checkpoint is not None, "the first rank has a checkpoint that another does not see"
        moved = other_origins(checkpoint, self._origins(run.data))
        if run.lacks(checkpoint):
            moved.append("transfer_tasks")
        if moved:
            self.restarted |= {member.config: moved for member in run.members}
            return run
        again = run.resume(checkpoint)
        self.resumed |= {member.config: again.step for member in again.members}
        return again

    def _origins(self, data: str) -> dict[str, str]:
        """Fingerprints of what decides a trial's or a run's numbers beside its config."""
        return {
            "code": code_fingerprint(),
            "data": data,
            "base_checkpoint": self.backbone.fingerprint,
        }

    def finished(self, run: TrialRun) -> None:
        """Commit the best point of every trial of a run and drop its checkpoint."""
        for member in run.members:
            if self.ranks.is_first:
                self._commit(run, member)
            self.committed += 1
        if self.ranks.is_first:
            self.store.clear_state(run.config.run_id)

    def _commit(self, run: TrialRun, member: Member) -> None:
        best = member.best
        assert best is not None
        attempt = self.store.begin(member.config.trial_id)
        tables = {
            "history": _lines(member.history),
            "predictions": _lines(answer_rows(member.data, best.predictions)),
        }
        for task, (_, predictions) in member.transferred.items():
            answers = answer_rows(member.transfer[task], predictions)
            tables[f"predictions-{task}"] = _lines(answers)
        neighbours = {}
        if "prompt" in best.parameters:
            prompt = best.parameters["prompt"]
            attempt.write("prompt.safetensors", lambda path: save_file({"prompt": prompt}, path))
            near = near_prompt(prompt, self.backbone)
            tables["neighbours"] = _lines(neighbour_rows(near, self.backbone))
            start_similarity = self._starts[run.config.run_id]
            words = member.data.task.init_words
            neighbours = {"neighbours": summary(near, start_similarity, words, self.backbone)}
        for name, text in tables.items():
            attempt.write(f"{name}.jsonl", methodcaller("write_text", text, encoding="utf-8"))
        metrics = {
            **best.metrics, "majority": member.data.majority, "chance": member.data.chance,
            "best_step": best.step, **_transferred(member),
        }  # fmt: skip
        if run.config.eval_on_start:
            metrics["start_score"] = member.history[0]["score"]
        if "train_loss" in member.history[-1]:
            metrics["train_loss"] = member.history[-1]["train_loss"]
        record = TrialRecord(
            trial_id=member.config.trial_id,
            attempt=attempt.id,
            stage="tuning",
            label=member.config.label,
            config=to_mapping(member.config),
            metrics=metrics,
            provenance={**self._provenance(run, member), **neighbours},
            files={},
        )
        attempt.commit(record)

    def diverged(self, run: TrialRun, reason: str) -> None:
        """Record the trials of a run whose numbers are not finite."""
        self.failed += len(run.members)
        if not self.ranks.is_first:
            return
        for member in run.members:
            attempt = self.store.begin(member.config.trial_id)
            failure = Failure(
                trial_id=member.config.trial_id,
                attempt=attempt.id,
                kind="diverged",
                message=reason,
                config=to_mapping(member.config),
                provenance=self._provenance(run, member),
            )
            self.store.fail(failure)
            attempt.abandon()
        self.store.clear_state(run.config.run_id)

    def checkpoint(self, live: Sequence[TrialRun]) -> None:
        """Save every live trial, to go on from this step."""
        for run in live:
            content = run.to_bytes(self._origins(run.data))
            if self.ranks.is_first:
                self.store.save_state(run.config.run_id, STATE, content)
        self._saved = time.monotonic()

    def _provenance(self, run: TrialRun, member: Member) -> dict[str, Any]:
        """Where a trial's numbers come from; the seconds of a run are shared by its trials."""
        return {
            **surroundings(),
            **self._origins(member.data.fingerprint),
            "started": self.started,
            "seconds": round(run.seconds / len(run.members), 3),
            "pack": self.slots,
            "ranks": self.ranks.count,
            "micro_batch_positions": self.rooms.noted(),
            "device": describe(device_of(self.backbone.weights)),
            "threads": torch.get_num_threads(),
            "data_revision": member.data.revision,
            "examples": {"train": len(member.data.train), "dev": len(member.data.dev)},
            "cut_rows": dict(member.data.cut),
            "restarted_for_other": self.restarted.get(member.config, []),
            "labels_dropped": labels_dropped(member),
            "trainable_parameters": sum(p.numel() for p in run.parameters.values()),
            "model_parameters": self.backbone.parameter_count,
            "checkpoint": self.backbone.source,
            **_transfer_provenance(member),
        }


def labels_dropped(member: Member) -> list[str]:
    """The words that a class-label start leaves out, because the prompt has no position for them.

    The released code warns of them (`from_embedded_list` of `prompt_tuning/prompts.py`).
    """
    if member.config.prompt_init != "class_label":
        return []
    return list(member.data.task.init_words[member.config.prompt_length :])


def _transferred(member: Member) -> dict[str, float]:
    """The metrics of every transfer task, under `<task>/<metric>`."""
    return {
        f"{task}/{name}": value
        for task, (metrics, _) in member.transferred.items()
        for name, value in {**metrics, "chance": member.transfer[task].chance}.items()
    }


def _transfer_provenance(member: Member) -> dict[str, Any]:
    """Of the data of every transfer task: fingerprint, hub's commit, rows, and rows that were cut.

    Nothing where there is no such task.
    """
    data = member.transfer
    if not data:
        return {}
    return {
        "transfer_data": {task: each.fingerprint for task, each in data.items()},
        "transfer_data_revision": {task: each.revision for task, each in data.items()},
        "transfer_examples": {task: len(each.dev) for task, each in data.items()},
        "transfer_cut_rows": {task: each.cut["dev"] for task, each in data.items()},
    }


def _lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
