"""What varies and why: the axes of the study, its designs, and the trials they ask for.

Pure Python; it loads neither torch nor ray nor pandas. Reading order:

- `axis`: what one axis is; one module per axis says what it means (`model_size`,
  `prompt_length`, `prompt_init`, `pretraining_objective`, `lm_adaptation_steps`,
  `task`, `seed`, and `method`); `axes` lists them.
- `cell`: one setting of the four axes that are ablated, and how it moves along one.
- `section`, `settings`, `study`: plain values read into a typed `Study`, with
  every mistake collected.
- `grid`: a study's trials, each with the panels it belongs to.
- `run_tags`: what leads from a sweep and a panel to the runs of a tracker.
- `parameter_count`: how many parameters each method trains.
"""
