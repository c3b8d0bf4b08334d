"""The trials of a sweep as runs of Weights & Biases, which mirror the store and never own it.

None of this loads wandb before a run is written.

- `settings`: where runs go, as a spec says it; `mode_of` finds out whether there is a key.
- `run`: what a trial is as a run, from its record or its failure.
- `membership`: which sweeps of a store have a trial, for its tags.
- `wandb_runs`: opens, fills and closes a run; which ones are there already.
- `offline`: reads what wandb wrote into a folder.
- `mirror`: the whole store, again and again with the same result.
- `follower`: the trials of a pack while they train, aside from their training.
"""
