"""Timings and memory, as a person runs them by hand; no test depends on one.

`make bench` prints one table (`python -m benchmarks`); the last ones are commands of their own:

- `table`: measurements in turn with a peer's, medians, and the table
- `shape`: a T5 of the shape of small, rows of real lengths, operations of the stock model
- `steps`: a step of prompt tuning, model tuning and LM adaptation
- `packs`: a step of a trial, alone and with others in a batch
- `answers`: greedy answers to a dev set
- `serving`: mixed batches against PEFT adapters in a loop and against one task at a time, and the
  bank
- `serving_processes`: a process of all tasks against one for each; `serving_load`: latency under
  load
- `memory`: several trials over one frozen model
- `orchestration`: what is not training
- `sweeps`, `peer_sweep`: a whole sweep, ours and a peer's
- `recipe`: steps of the paper's recipe at the shape of T5 1.1 small
- `report_page`: size of a sweep's page, and the time to write it
"""
