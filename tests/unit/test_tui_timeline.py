"""The timeline: which kind fills a column, how busy a lane was, and which spans lie under a moment."""

import time

import numpy as np

from haloctl.tui.timeline import KINDS, SPANS_KEPT, EpochMark, Span, Timeline


def span(start_s, end_s, kind="decode", lane="w", label=""):
    return Span(lane=lane, start_s=start_s, end_s=end_s, kind=kind, label=label)


def drawn(timeline, edges, lane="w"):
    kinds, shares = timeline.columns(lane, np.array(edges, dtype=float))
    return [
        (KINDS[kind], round(float(share), 3)) if share else None
        for kind, share in zip(kinds, shares, strict=True)
    ]


def test_the_kind_that_took_most_of_a_column_fills_it():
    timeline = Timeline()
    timeline.add([span(0, 1, "load"), span(1, 4, "prefill"), span(4, 4.5, "decode"), span(4.5, 8, "wait")])
    assert drawn(timeline, [0, 2, 4, 6, 8, 10]) == [
        ("load", 0.5),
        ("prefill", 1.0),
        ("decode", 0.25),
        ("wait", 1.0),
        None,
    ]


def test_spans_side_by_side_count_once():
    timeline = Timeline()
    timeline.add([span(0, 4), span(0, 4), span(3, 4, "prefill")])
    assert timeline.utilisation("w", 0, 8) == 0.5
    assert drawn(timeline, [0, 4, 8]) == [("decode", 1.0), None]


def test_prefill_beside_decode_is_neither():
    timeline = Timeline()
    timeline.add([span(0, 6), span(2, 4, "prefill"), span(4, 6), span(6, 7, "prefill")])
    timeline.show_running([span(6.5, 8)], 8)
    assert drawn(timeline, [0, 2, 4, 6, 6.5, 7, 8]) == [
        ("decode", 1.0),
        ("mixed", 1.0),
        ("decode", 1.0),
        ("prefill", 1.0),
        ("mixed", 1.0),
        ("decode", 1.0),
    ]
    assert drawn(timeline, [1, 5, 9]) == [("mixed", 1.0), ("decode", 0.75)]
    assert timeline.utilisation("w", 0, 8) == 1.0


def test_the_models_time_is_summed_before_it_is_compared_with_a_load():
    timeline = Timeline()
    timeline.add([span(0, 4, "load"), span(4, 8, "prefill"), span(6, 10)])
    assert drawn(timeline, [0, 10]) == [("prefill", 0.6)]


def test_waiting_is_not_work():
    timeline = Timeline()
    timeline.add([span(0, 5, "wait"), span(5, 10)])
    assert timeline.utilisation("w", 0, 10) == 0.5
    assert timeline.utilisation("w", 3, 3) == 0.0


def test_what_runs_is_replaced_and_what_finished_stays():
    timeline = Timeline(["w", "x"])
    timeline.add([span(0, 1)])
    timeline.show_running([span(2, 4)], 4)
    assert timeline.utilisation("w", 0, 4) == 0.75
    revision = timeline.revision("x")
    timeline.show_running([span(3, 5)], 5)
    assert timeline.utilisation("w", 0, 5) == 0.6
    timeline.show_running([], 6)
    assert timeline.utilisation("w", 0, 5) == 0.2
    assert timeline.revision("x") == revision
    assert timeline.end_s == 6


def test_spans_under_a_moment_the_ones_begun_last_first():
    timeline = Timeline()
    timeline.add([span(5, 6, label="short"), span(0, 10, label="long")])
    timeline.add([span(5.5, 5.5, label="at once"), span(8, 9, label="later")])
    timeline.show_running([span(5.2, 11, label="running")], 11)
    assert [found.label for found in timeline.at("w", 5.4, 5.9)] == ["running", "at once", "short", "long"]
    assert [found.label for found in timeline.at("w", 20, 21)] == []


def test_lanes_keep_the_order_they_were_named_in():
    timeline = Timeline(["b"])
    timeline.add([span(0, 1, lane="a"), span(0, 1, lane="b")])
    timeline.show_running([span(0, 1, lane="c")], 1)
    assert timeline.lanes == ("b", "a", "c")


def test_an_epoch_prolongs_the_run():
    timeline = Timeline()
    timeline.mark(EpochMark(at_s=7, label="epoch 1"))
    assert timeline.end_s == 7


def test_labels_of_old_spans_are_forgotten_and_their_time_is_not():
    timeline = Timeline()
    count = SPANS_KEPT + 10
    timeline.add([span(i, i + 0.5, label=str(i)) for i in range(count)])
    assert timeline.at("w", 0, 1) == ()
    assert timeline.at("w", count - 1, count)[0].label == str(count - 1)
    assert timeline.utilisation("w", 0, count) == 0.5


def test_drawing_costs_no_more_with_many_spans():
    """A hundred times the spans in at most ten times the time: a scan of all would take a hundred times."""
    few, many = Timeline(), Timeline()
    few.add([span(i, i + 0.5) for i in range(1_000)])
    many.add([span(i / 100, i / 100 + 0.005) for i in range(100_000)])
    edges = np.linspace(0, 1000, 401)

    def cost(timeline):
        times = []
        for _ in range(20):
            started = time.perf_counter()
            timeline.columns("w", edges)
            times.append(time.perf_counter() - started)
        return min(times)

    assert cost(many) < 10 * cost(few)
