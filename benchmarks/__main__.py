"""Speed and memory against what people do today, as one table.

    make bench                                       # everything: hours on two cores
    python -m benchmarks                             # the same
    python -m benchmarks steps memory --repeats 5    # some parts
    python -m benchmarks --tiny                      # whether all of it runs: minutes

Nothing else should run on the machine meanwhile. Every number is a median over
repetitions, of which ours and the peer's are taken in turn.
"""

import argparse
import logging
import os
import warnings
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING

from benchmarks.table import Line, show

if TYPE_CHECKING:
    from benchmarks.sweeps import Study

Part = Callable[[bool, int], Iterator[Line]]
"""Lines of a part, from whether it is only tried and how often it is repeated."""


def main() -> None:
    """Measure the parts that are asked for and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all unless some are named"
    )
    parser.add_argument("--repeats", type=int, default=3, help="(%(default)s)")
    parser.add_argument("--tiny", action="store_true", help="less of everything, for a trial")
    options = parser.parse_args()
    unknown = sorted({*options.parts} - {*PARTS})
    if unknown:
        parser.error(f"{unknown[0]}: there is no such part; give some of {', '.join(PARTS)}")
    _quiet()
    asked = [PARTS[name] for name in options.parts or PARTS]
    show(chain.from_iterable(part(options.tiny, options.repeats) for part in asked))


def _quiet() -> None:
    """One thread a process, no hub, and no words of the peers between the rows."""
    os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    os.environ |= {"TRANSFORMERS_VERBOSITY": "error", "PYTHONWARNINGS": "ignore"}
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)


def _steps(tiny: bool, repeats: int) -> Iterator[Line]:
    import torch

    from benchmarks import steps
    from benchmarks.shape import LENGTHS, Shape

    torch.set_num_threads(1)
    shape = Shape(size="small", lengths=LENGTHS[:4] if tiny else LENGTHS)
    return steps.measure(shape, (1, 20) if tiny else (1, 20, 100, 150), repeats)


def _decoders(tiny: bool, repeats: int) -> Iterator[Line]:
    import torch

    from benchmarks import decoders

    torch.set_num_threads(1)
    return decoders.measure((20,) if tiny else (20, 100), (1,) if tiny else (1, 4), repeats)


def _packs(tiny: bool, repeats: int) -> Iterator[Line]:
    import torch

    from benchmarks import packs

    torch.set_num_threads(1)
    if tiny:
        return packs.measure(("60k",), (1, 2), 4, repeats)
    return packs.measure(("60k", "200k", "600k", "2m"), (1, 2, 4, 8), 30, repeats)


def _sweeps(tiny: bool, repeats: int) -> Iterator[Line]:
    from benchmarks.sweeps import Study

    return _swept(Study(name="ladder", sizes=("60k", "200k", "600k", "2m")), tiny, repeats)


def _long_sweeps(tiny: bool, repeats: int) -> Iterator[Line]:
    from benchmarks.sweeps import Study

    # So long that what a trial of the peer needs to start is less than a tenth of its time.
    long = Study(
        name="long", sizes=("600k", "2m"), lengths=(20,), tasks=("boolq", "rte"), steps=1400
    )
    return _swept(long, tiny, repeats)


def _swept(study: "Study", tiny: bool, repeats: int) -> Iterator[Line]:
    """The lines of a study, or where it is only tried those of the smallest."""
    from benchmarks.sweeps import Study, measure

    tried = Study(name="tiny", sizes=("60k",), lengths=(5,), tasks=("wic",), steps=10, adaptation=2)
    return measure(tried, 1) if tiny else measure(study, repeats)


def _answers(tiny: bool, repeats: int) -> Iterator[Line]:
    import torch

    from benchmarks import answers

    torch.set_num_threads(1)
    return answers.measure("60k" if tiny else "2m", (1, 8), 64 if tiny else 500, repeats)


def _serving(tiny: bool, repeats: int) -> Iterator[Line]:
    import torch

    from benchmarks import serving, serving_load, serving_processes

    torch.set_num_threads(1)
    yield from serving.measure(56 if tiny else 896, 100 if tiny else 1000, repeats)
    yield from serving_processes.measure(56 if tiny else 896, repeats)
    yield from serving_load.measure(2 if tiny else 30, repeats)


def _memory(tiny: bool, repeats: int) -> Iterator[Line]:
    from benchmarks import memory

    return memory.measure("small", 2 if tiny else 4, 2 if tiny else 4, repeats)


def _orchestration(tiny: bool, repeats: int) -> Iterator[Line]:
    from benchmarks import orchestration

    return orchestration.measure(400 if tiny else 10_000, repeats)


PARTS: dict[str, Part] = {
    "steps": _steps,
    "decoders": _decoders,
    "packs": _packs,
    "answers": _answers,
    "serving": _serving,
    "memory": _memory,
    "orchestration": _orchestration,
    "sweeps": _sweeps,
    "long_sweeps": _long_sweeps,
}
"""The parts, the quick ones first."""

if __name__ == "__main__":
    main()
