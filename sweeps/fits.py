"""Whether what is left of a sweep fits its models, as far as can be tried on this machine."""

from runners.catalogue import MICROWORLD, READERS
from runners.config import TrialConfig
from sweeps.plan import Plan


def unfit(plan: Plan) -> tuple[int, list[str]]:
    """How many tasks were tried, and a sentence for whatever does not fit.

    Of what ships everything fits. Torch is loaded where there is something else to try.
    """
    left = [work.config for work in plan.left if not _ships(work.config)]
    rungs = plan.spec.study.family.rungs
    left = [config for config in left if rungs[config.model_size].tokenizer.hub_id is None]
    if not left:
        return 0, []
    from runners.data.fitting import misfits

    found = misfits(left, plan.spec.catalogue)
    tried = {(config.data_source, config.task) for config in left}
    return len(tried), [f"{', '.join(sizes)}: {said}" for said, sizes in found.items()]


def _ships(config: TrialConfig) -> bool:
    return config.model_family in READERS and config.data_source == MICROWORLD
