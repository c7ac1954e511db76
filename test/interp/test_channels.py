"""Transfers on queues, DMA engines and DRAM, worked out by hand."""

from dataclasses import replace

import pytest

from polystage import machine
from polystage.interp.channels import Channels
from polystage.interp.durations import Load

TINY = machine.load("tiny")
FIXED = 0.1


def channels(engines: int = 4, queues: int = 8) -> Channels:
    return Channels(replace(TINY, dma=replace(TINY.dma, engines=engines, queues=queues)))


def landed(carrier: Channels, *loads: Load) -> list[float]:
    return [carrier.carry(0.0, load).landed for load in loads]


def test_latencies_overlap_and_bandwidth_is_shared_by_turns() -> None:
    whole = Load(4, 1.0, 0.0)
    assert landed(channels(), whole, whole, whole) == pytest.approx([FIXED + 1, FIXED + 2, FIXED + 3])


def test_transfers_of_few_descriptors_run_beside_each_other() -> None:
    one = Load(1, 1.0, 0.0)
    assert landed(channels(), one, one, one, one, one) == pytest.approx([FIXED + 1] * 4 + [FIXED + 2])


def test_a_transfer_takes_the_engines_that_are_free_first() -> None:
    assert landed(channels(), Load(3, 2.0, 0.0), Load(1, 1.0, 0.0), Load(2, 1.0, 0.0)) == pytest.approx(
        [FIXED + 2, FIXED + 1, FIXED + 3]
    )


def test_dram_caps_what_all_engines_carry() -> None:
    half = Load(1, 1.0, 0.75)
    assert landed(channels(), half, half) == pytest.approx([FIXED + 1, FIXED + 1.5])
    assert landed(channels(), half, Load(1, 1.0, 0.0)) == pytest.approx([FIXED + 1, FIXED + 1])


def test_a_queue_is_held_until_its_transfer_has_landed() -> None:
    carrier, short = channels(queues=1), Load(1, 1.0, 0.0)
    first, second = carrier.carry(0.0, short), carrier.carry(0.0, short)
    assert (second.begin, second.landed) == pytest.approx((first.landed, 2 * first.landed))


def test_busy_time_is_that_of_all_engines_together() -> None:
    carrier = channels()
    landed(carrier, Load(1, 1.0, 0.0), Load(4, 1.0, 0.0))
    assert carrier.busy_us == pytest.approx(1.25)
