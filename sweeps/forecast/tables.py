"""A forecast as text."""

from collections.abc import Iterator

from sweeps.forecast.calibration import Interval, Miss
from sweeps.forecast.estimate import Forecast, GroupForecast, PackForecast
from sweeps.table import duration, table

NO_NODE = (
    "No forecast: no node here has what a worker of the spec holds; "
    "name a cluster's file with --cluster."
)


def forecast_text(found: Forecast | None) -> str:
    """What is left, by method and size, its sum, and how well the forecast did so far."""
    if found is None:
        return NO_NODE
    parts = [_groups(found), "\n".join(_sums(found)), _misses(found)]
    return "\n\n".join(part for part in parts if part)


def packs_text(found: Forecast | None) -> str:
    """A line for each pack, in the order in which they are handed out."""
    if found is None or not found.packs:
        return ""
    head = (
        "pack",
        "what",
        "after",
        "trials",
        "at once",
        "one row",
        "all rows",
        "time",
        "80% within",
    )
    return table(head, [_packed(n, each) for n, each in enumerate(found.packs, start=1)])


def _packed(number: int, each: PackForecast) -> tuple[str, ...]:
    pack, seconds = each.pack, each.seconds
    times = (duration(seconds.middle), _ends(seconds)) if seconds else ("no room", "")
    steps = f"{', '.join(map(str, pack.milestones))} steps"
    return (
        str(number), pack.name, pack.parent or "", str(len(pack.trials)) if pack.trials else steps,
        str(pack.slots), _gigabytes(each.memory.least), _gigabytes(each.memory.full), *times,
    )  # fmt: skip


def misfit_text(found: Forecast) -> list[str]:
    """A line for each method and size that no node has room for."""
    return [f"{' '.join(reversed(each.group))}: {_misfit(found, each)}" for each in found.misfits]


def _misfit(found: Forecast, each: GroupForecast) -> str:
    counted = f"{each.count:,} of the sweep need"
    if all(each.ranks * each.width > place.slots for place in found.places):
        wide = max(place.slots // each.width for place in found.places)
        return (
            f"{counted} {each.ranks} workers that train together, and no type of node has room "
            f"for more than {wide}; take more nodes, fewer ranks (execution.ranks), or leave them "
            "out"
        )
    return (
        f"{counted} {_gigabytes(each.memory.least)} with one row at a time, and "
        f"{_rooms(found, each)}; take nodes with more memory, more ranks (execution.ranks, "
        "execution.gpu_gigabytes), a larger share of a GPU (execution.gpus_per_worker, "
        "gpu_shares), or leave them out"
    )


def _rooms(found: Forecast, each: GroupForecast) -> str:
    said = (f"{p.node.name} has {_gigabytes(p.room * each.width)} a worker" for p in found.places)
    return ", ".join(said)


def _groups(found: Forecast) -> str:
    if not found.groups:
        return ""
    nodes = [place.node.name for place in found.places]
    head = (
        "left", "size", "count", "ranks", "weights", "trial", "pack", *nodes, "process time",
        "80% within",
    )  # fmt: skip
    return table(head, [(*_row(each), *_times(each)) for each in found.groups])


def _row(each: GroupForecast) -> tuple[str, ...]:
    method, size = each.group
    held = each.memory
    sizes = map(_gigabytes, (held.weights, held.fixed + held.row * held.of_one, held.full))
    return (
        method,
        size,
        f"{each.count:,}",
        str(each.ranks),
        *sizes,
        *(_fit(each, n) for n in each.rows),
    )


def _fit(each: GroupForecast, node: str) -> str:
    rows, wanted = each.rows[node], int(each.memory.rows)
    if not rows:
        return "no room"
    return "fits" if rows >= wanted else f"{rows} of {wanted} rows"


def _times(each: GroupForecast) -> tuple[str, str]:
    if not each.fits:
        return "?", "?"
    return duration(each.seconds.middle), _ends(each.seconds)


def _ends(seconds: Interval) -> str:
    return f"{duration(seconds.low)} to {duration(seconds.high)}"


def _sums(found: Forecast) -> Iterator[str]:
    """Hours, makespan and cost, and what they rest on."""
    if not found.groups:
        return
    for place in found.places:
        hours = found.hours[place.node.name]
        what = "GPU-hours" if place.device.gpu else "core-hours"
        yield (
            f"{place.node.name}: {place.workers} workers with {_gigabytes(place.room)} each, "
            f"{hours.middle:,.1f} {what} "
            f"({hours.low:,.1f} to {hours.high:,.1f})"
        )
    if found.at_once < found.room:
        yield (
            f"No more than {found.at_once} at a time, as is asked for; there is room for "
            f"{found.room}: --workers all"
        )
    yield f"All done after {duration(found.makespan.middle)} ({_ends(found.makespan)})"
    if found.cost and found.cost.middle:
        low, high = found.cost.low, found.cost.high
        yield f"Cost of the nodes until then: {found.cost.middle:,.0f} ({low:,.0f} to {high:,.0f})"
    if not found.measured:
        yield "From operations and data sheets alone: nothing was measured on such a device yet."
    else:
        yield f"Corrected by {found.measured:,} finished pieces of work on such a device."


def _misses(found: Forecast) -> str:
    if not found.misses:
        return ""
    head = ("measured", "size", "count", "took", "from operations", "off", "from the others", "off")
    rows = [_missed(miss) for miss in found.misses]
    return f"Forecast against measurement, in process time:\n{table(head, rows)}"


def _missed(miss: Miss) -> tuple[str, ...]:
    others = miss.from_others
    return (
        *miss.group, f"{miss.count:,}", duration(miss.measured),
        duration(miss.from_work.middle), _off(miss.from_work, miss.measured),
        duration(others.middle) if others else "-", _off(others, miss.measured) if others else "-",
    )  # fmt: skip


def _off(said: Interval, measured: float) -> str:
    """The forecast's error in percent of what was measured; * where that is outside the ends."""
    error = 100 * (said.middle / measured - 1)
    return f"{error:+.0f}%{'' if measured in said else '*'}"


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:,.1f} GB"
