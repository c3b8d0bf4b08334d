"""What a sweep will take, before it runs and while it does: work, memory, time, cost.

None of this loads torch or ray, so that `plan` answers at once.

- `lengths`: tokens of a task's inputs, which decide both work and memory.
- `transformer`: a model's dimensions, and what one pass through it costs.
- `work`: a trial or an adaptation as operations, bytes and kernels.
- `memory`: what a pack holds while it trains.
- `hardware`: what GPUs and cores do in a second, by their data sheets.
- `calibration`: what was measured, against what the work alone would have said.
- `makespan`: packs on slots, in the order in which they are handed out.
- `estimate`: all of it for one plan and one cluster, as a `Forecast`.
"""
