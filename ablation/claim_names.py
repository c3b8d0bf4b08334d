"""The claims of the study by the names that a spec calls them in `must_hold`."""

CLAIMS: tuple[str, ...] = (
    "gap_closes",
    "gap_thrice_at_smallest",
    "smallest_is_not_enough",
    "matches_at_largest",
    "model_tuning_learns",
    "prompt_length_fades",
    "prompt_init_fades",
    "pretraining_objective_fades",
    "adaptation_unlocks",
    "chance_before_adaptation",
    "matches_multitask_at_largest",
    "prompt_design_below",
    "domain_shift_robust",
    "paraphrase_transfers",
    "ensemble_beats_average",
    "ensemble_matches_best",
    "sentinel_little_help",
    "more_adaptation_better",
    "length_plateaus",
)
"""A claim can have several effects; it holds where the mean of each meets its rule."""
