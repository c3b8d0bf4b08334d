"""When and where a sweep runs.

What is asked, and how it stands; none of this loads torch or ray:

- `spec`: a spec file as a checked `SweepSpec`; `document` reads its YAML with
  lines, `execution` its settings that change no number; `specs/` has the files.
- `plan`: what a sweep has, lacks and waits for, from its store alone; `drift`
  finds results that were not made from the same things, `summary` prints.
- `manifest`: the sweep as the store keeps it, for the analysis.
- `nodes`: what the machines of a cluster are, from `sweep.yaml` or one of `clusters/`.
- `cli`: the verbs, from `plan` and `run` to `track`.

Running it, under Ray Tune:

- `run`: what is missing, run, and how it ended; `packs` cuts it into packs.
- `remote` sends a checkout to a cluster and submits a spec there, with the list of its
  code that `checkout` makes; `submit` is the script that `ray submit` sends.
- `lease`: one driver at a time for each store; `waiting` waits until there is none.
- `driver` starts Ray Tune and follows the packs; `schedule` hands them out as
  their parents appear, and `trainable` is where Ray meets a runner, with the model that it
  has `held` since the pack before.
- `tracking/` has trials as runs of W&B, mirrored by `track` or while they train.
- `progress` shows how far it is, `failures` says why a pack died.
"""
