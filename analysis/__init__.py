"""What came out of a sweep, from its store alone; no torch and no ray.

    python -m analysis report results/laptop       # one HTML page
    python -m analysis figures results/laptop      # a store, a manifest in it, or the spec itself

Reading order:

- `manifest`: what the sweep planned.
- `source`: the store and the manifest behind a name on the command line.
- `frame`: one row for each planned trial, whatever became of it.
- `aggregate`: over tasks, then over seeds; nothing over a missing trial.
- `panels`: a figure's panel as numbers; `marginals`: those of a complete grid, and axes
  crossed; `histories`: training curves and runtimes. `contrasts`: differences paired by seed.
- `tables`: gaps, tasks, spreads, claims, and the scale curve as text.
- `ensembles`: prompts that vote (Table 3). `neighbours`: what prompts are near to.
- `findings`: all of these, computed once for figures, tables and the page.
- `style`, `figures`, `provenance`: how a panel is drawn and what its file says of itself.
- `page`: a sweep as one HTML page, with every trial in it.
- `wandb_report`: a report of W&B over the runs that `sweeps track` wrote.
- `draw`: all of it into a folder. `cli`: the command.
"""
