"""Generations of a lease: one winner each, in a folder and in an object store."""

from pathlib import Path
from typing import TYPE_CHECKING

from runners.storage import layout

if TYPE_CHECKING:
    from tests.runners.storage.conftest import Bench


def test_a_generation_is_begun_once(bench: "Bench") -> None:
    """Two drivers that take over from the same dead one."""
    leases = bench.store.leases()
    assert leases.latest() is None
    assert leases.take(1, b"a")
    assert not bench.fresh().leases().take(1, b"b")
    assert leases.latest() == (1, b"a")


def test_the_next_generation_ends_the_one_before(bench: "Bench") -> None:
    """A driver that was given up and goes on writing over its successor."""
    old, new = bench.store.leases(), bench.fresh().leases()
    assert old.take(1, b"a")
    assert old.renew(1, b"a2")
    assert new.take(2, b"b")
    assert not old.renew(1, b"a3")
    assert old.latest() == (2, b"b")
    assert new.renew(2, b"b2")
    assert old.latest() == (2, b"b2")


def test_a_generation_below_the_latest_is_not_begun(bench: "Bench") -> None:
    """A listing out of a cache, by which a rival begins a number that was cleared away."""
    leases = bench.store.leases()
    assert leases.take(7, b"a")
    assert not bench.fresh().leases().take(6, b"b")
    assert leases.latest() == (7, b"a")


def test_a_store_with_a_lease_is_sound(bench: "Bench") -> None:
    """A lease that verification takes for damage, or a store for something else's folder."""
    bench.store.leases().take(1, b"a")
    assert bench.store.is_made
    assert bench.fresh().verify() == []
    assert Path(layout.lease_path(1)).parts == ("leases", "00000001.json")
