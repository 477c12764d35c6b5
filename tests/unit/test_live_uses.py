"""How lanes' time is counted in buckets: nothing is lost when the buckets grow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.live.state import SPAN_KINDS
from engine.live.uses import BUCKETS, UseMeter, use_seconds

SPANS = st.lists(
    st.tuples(st.sampled_from(SPAN_KINDS), st.floats(0, 5000), st.floats(0, 200)), min_size=1, max_size=40
)


@settings(max_examples=25, deadline=None)
@given(SPANS)
def test_every_second_is_in_the_bucket_it_belongs_to(spans):
    meter = UseMeter("w0")
    for kind, start, length in spans:
        meter.add(kind, start, start + length)
    use = meter.value()
    buckets = use_seconds(use)
    assert len(buckets) <= BUCKETS
    for kind in SPAN_KINDS:
        total = sum(length for k, _start, length in spans if k == kind)
        assert sum(bucket[kind] for bucket in buckets) == pytest.approx(total, rel=1e-4, abs=1e-3)
    for at, bucket in enumerate(buckets):
        begin, end = at * use.width_s, (at + 1) * use.width_s
        for kind in SPAN_KINDS:
            here = sum(
                max(0.0, min(start + length, end) - max(start, begin))
                for k, start, length in spans
                if k == kind
            )
            assert bucket[kind] == pytest.approx(here, rel=1e-3, abs=1e-2)


def test_the_width_doubles_only_when_a_run_outgrows_it():
    meter = UseMeter("w0")
    meter.add("tool", 0.0, 127.9)
    assert meter.value().width_s == 0.25
    meter.add("tool", 128.0, 128.1)
    assert meter.value().width_s == 0.5
    assert meter.value() is meter.value()
    meter.add("load", 100_000.0, 100_001.0)
    assert len(use_seconds(meter.value())) <= BUCKETS
