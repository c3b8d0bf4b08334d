"""One step of training at the shape of T5 1.1 small, on inputs as long as BoolQ's.

The peer is the stock model of `transformers` with its default attention, and PEFT around it
where a prompt is tuned; both sides compute in bfloat16, or in float32 on cores without
instructions for that. Its loop is bare, which is kinder to it than the Trainer would be.
"""

from collections.abc import Callable, Iterator, Mapping

import torch
from peft import PromptTuningConfig, TaskType, get_peft_model
from torch import Tensor
from transformers.optimization import Adafactor as PeerAdafactor

from benchmarks.shape import FAST, FAST_NAME, TARGET, Shape, padded, stock_flops
from benchmarks.table import Line, in_turn, seconds
from runners.config import TrialConfig
from runners.data.batching import Encoded
from runners.model.backbone import Backbone, Weights
from runners.model.compilation import compiling
from runners.model.sharded_t5 import trainable
from runners.training.adafactor import Adafactor
from runners.training.language_model import gradients
from runners.training.pack import train_step
from runners.training.trial import Member, TrialRun

Step = Callable[[], object]
PEAK_SIZE = 2048


def measure(shape: Shape, prompts: tuple[int, ...], repeats: int) -> Iterator[Line]:
    """A line for each prompt length, with its share of the matrix-multiply peak; then the model."""
    peak = [_peak(), _peak(), _peak()]
    yield Line(
        what=f"matrix product, {PEAK_SIZE}, {FAST_NAME}, one thread", unit="GFLOP/s",
        ours=[found / 1e9 for found in peak],
    )  # fmt: skip
    for prompt in prompts:
        yield _prompt_tuning(shape, prompt, repeats, max(peak))
    yield _compiled(shape, prompts[-1], repeats)
    yield _whole(shape, repeats, "model tuning", shape.lengths, TARGET)
    even = (128,) * len(shape.lengths)
    yield _whole(shape, repeats, "LM adaptation, 128 and 128 tokens", even, 128)


def _peak() -> float:
    """Operations a second of a large matrix product."""
    a, b = (torch.randn(PEAK_SIZE, PEAK_SIZE).to(FAST) for _ in range(2))
    torch.mm(a, b)
    return 5 * 2 * PEAK_SIZE**3 / seconds(lambda: [torch.mm(a, b) for _ in range(5)])


def _prompt_tuning(shape: Shape, prompt: int, repeats: int, peak: float) -> Line:
    model = shape.model(FAST)
    ours, peer = _our_prompt(shape, prompt), peer_prompt(shape, prompt)
    own, theirs = timed(ours, peer, repeats)
    flops = stock_flops(model, shape.lengths, prompt)
    share, stock = (flops / min(found) / peak for found in (own, theirs))
    note = f"{flops / 1e9:.0f} GFLOP without padding: {share:.0%} of the peak, peer {stock:.0%}"
    return Line(
        what=f"step of prompt tuning, T5 {shape.size}, {len(shape.lengths)} rows, prompt {prompt}",
        unit="s", ours=own, peer=theirs, note=note,
    )  # fmt: skip


def _compiled(shape: Shape, prompt: int, repeats: int) -> Line:
    """The same step with compiled layers, against our own without; what the first one takes."""
    plain, compiled = _our_prompt(shape, prompt), _our_prompt(shape, prompt, compiles=True)
    first = seconds(compiled)
    own, theirs = timed(compiled, plain, repeats)
    return Line(
        what=f"compiled layers against those as written, prompt {prompt}",
        unit="s", ours=own, peer=theirs, note=f"{first:.0f} s for the first step",
    )  # fmt: skip


def _our_prompt(shape: Shape, prompt: int, *, compiles: bool = False) -> Step:
    backbone: Backbone = shape.backbone(shape.model(FAST), FAST)
    if compiles:
        backbone = compiling(backbone)
    config = shape.config(prompt_length=prompt)
    run = prompt_run(config, shape.rows(), backbone.width)

    def step() -> None:
        [loss] = train_step(backbone, [run])
        run.update(loss)

    return step


def prompt_run(config: TrialConfig, rows: list[Encoded], width: int) -> TrialRun:
    """A trial with a random prompt, whose batch is these rows."""
    return TrialRun(
        members=(Member(config=config, data=None),),  # type: ignore[arg-type]
        train=rows, data="", kept=frozenset(),
        parameters={"prompt": torch.randn(config.prompt_length or 0, width)},
    )  # fmt: skip


def peer_prompt(shape: Shape, prompt: int) -> Step:
    """A step of prompt tuning by PEFT."""
    config = PromptTuningConfig(task_type=TaskType.SEQ_2_SEQ_LM, num_virtual_tokens=prompt)
    tuned = get_peft_model(shape.model(FAST), config)
    return adafactor_step(tuned, padded(shape.rows()), learning_rate=0.3, scale=False)


def _whole(shape: Shape, repeats: int, what: str, lengths: tuple[int, ...], target: int) -> Line:
    """A step that moves every weight, kept in float32 whatever it is computed in."""
    rows = Shape(size=shape.size, lengths=lengths, target=target).rows()
    model = shape.model(torch.float32)
    backbone = shape.backbone(model, FAST)
    weights = trainable(backbone)
    ours = _our_model(backbone, weights, rows)
    peer = adafactor_step(shape.model(torch.float32), padded(rows), learning_rate=1e-3, scale=True)
    own, theirs = timed(ours, peer, repeats)
    return Line(what=f"step of {what}, T5 {shape.size}", unit="s", ours=own, peer=theirs)


def _our_model(backbone: Backbone, weights: Weights, rows: list[Encoded]) -> Step:
    optimizer = Adafactor(learning_rate=1e-3, weight_decay=0.0, parameter_scaling=True)
    state = optimizer.initial_state(weights)
    for weight in weights.values():
        weight.requires_grad_(True)
    taken = [0]

    def step() -> None:
        _, found = gradients(backbone, weights, rows)
        taken[0] += 1
        optimizer.step(weights, found, state, step=taken[0])

    return step


def adafactor_step(
    model: torch.nn.Module, batch: Mapping[str, Tensor], *, learning_rate: float, scale: bool
) -> Step:
    """Forward, backward and Adafactor of `transformers`."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = PeerAdafactor(
        parameters, lr=learning_rate, scale_parameter=scale, relative_step=False
    )
    model.train()

    def step() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=scale and torch.bfloat16 == FAST):
            loss = model(**batch).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()

    return step


def timed(ours: Step, peer: Step, repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of each, after one step of both that is not counted."""
    ours()
    peer()
    return in_turn(lambda: seconds(ours), lambda: seconds(peer), repeats)
