"""The peer of a sweep: PEFT in the Trainer of transformers, a function trial of Ray Tune a cell.

    python -m benchmarks.peer_sweep FOLDER

FOLDER has `cells.json`, a model a size and rows a task, as `benchmarks.sweeps` writes them.
Each part is set up as its documentation has it; rows are tokenised beforehand, which is kinder to
it than a trial that does so itself. What came of each cell is left in `found.json`.
"""

import json
import sys
import time
from pathlib import Path
from typing import Any

import ray
from ray import tune


def trial(config: dict[str, Any]) -> None:
    """Train and judge one cell; reports its best accuracy and where its seconds went."""
    import numpy as np
    import transformers
    from peft import PromptTuningConfig, PromptTuningInit, TaskType, get_peft_model

    cell, folder = config["cell"], Path(config["folder"])
    place = str(folder / cell["model_size"])
    tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    model = transformers.T5ForConditionalGeneration.from_pretrained(place)
    transformers.set_seed(cell["seed"])
    rows = json.loads((folder / f"{cell['task']}.json").read_text(encoding="utf-8"))
    tuned = get_peft_model(
        model,
        PromptTuningConfig(
            task_type=TaskType.SEQ_2_SEQ_LM, num_virtual_tokens=cell["prompt_length"],
            prompt_tuning_init=PromptTuningInit.TEXT, prompt_tuning_init_text=rows["labels"],
            tokenizer_name_or_path=place,
        ),
    )  # fmt: skip

    def accuracy(found: transformers.EvalPrediction) -> dict[str, float]:
        """The share of exact answers, in percent."""
        answers = tokenizer.batch_decode(
            np.where(found.predictions < 0, 0, found.predictions), skip_special_tokens=True
        )
        hits = [
            answer.strip() == wanted
            for answer, wanted in zip(answers, rows["answers"], strict=True)
        ]
        return {"accuracy": 100 * sum(hits) / len(hits)}

    trainer = transformers.Seq2SeqTrainer(
        model=tuned,
        args=transformers.Seq2SeqTrainingArguments(
            output_dir="output", max_steps=cell["train_steps"], seed=cell["seed"],
            per_device_train_batch_size=cell["batch_size"], per_device_eval_batch_size=64,
            learning_rate=cell["learning_rate"], lr_scheduler_type="constant", optim="adafactor",
            eval_strategy="steps", eval_steps=cell["eval_every"], predict_with_generate=True,
            generation_max_length=rows["limit"] + 1, save_strategy="no", report_to=[],
            use_cpu=True, disable_tqdm=True, logging_steps=cell["eval_every"],
        ),
        train_dataset=rows["train"], eval_dataset=rows["dev"], compute_metrics=accuracy,
        data_collator=transformers.DataCollatorForSeq2Seq(tokenizer, model=model),
    )  # fmt: skip
    began = time.perf_counter()
    trainer.train()
    spent = time.perf_counter() - began
    seen = [told for told in trainer.state.log_history if "eval_accuracy" in told]
    tune.report(
        {
            "accuracy": max(told["eval_accuracy"] for told in seen),
            "seconds": spent,
        }
    )


def main(folder: Path) -> None:
    """Run every cell, two at a time where there are two cores."""
    asked = json.loads((folder / "cells.json").read_text(encoding="utf-8"))
    ray.init(address="local", num_cpus=asked["workers"], include_dashboard=False)
    found = tune.Tuner(
        tune.with_resources(trial, {"cpu": 1}),
        param_space={"cell": tune.grid_search(asked["cells"]), "folder": str(folder)},
        run_config=tune.RunConfig(storage_path=str(folder / "tune"), verbose=0),
    ).fit()
    assert not found.errors, found.errors
    names = ("accuracy", "seconds")
    told = [{name: each.metrics[name] for name in names} for each in found]
    (folder / "found.json").write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
