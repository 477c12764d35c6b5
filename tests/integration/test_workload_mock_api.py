"""The mock API: what it answers, how long it waits, and that it is gone afterwards."""

import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from urllib.error import HTTPError
from urllib.parse import urlencode

import psutil
import pytest

from engine.errors import ConfigError
from workflows.films.data import build_database as build_films
from workflows.pages.data import build_database as build_pages
from workflows.workloads.api import draw_latency_s
from workflows.workloads.routes import ROUTES
from workflows.workloads.serve import MockApi

URL = "/films/reviews?" + urlencode({"theme": "river", "genre": "drama"})


@pytest.fixture(scope="module")
def databases(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    files = {"films": folder / "films.duckdb", "pages": folder / "pages.duckdb"}
    build_films(files["films"], 0.01)
    build_pages(files["pages"], 0.01)
    return files


def get(url):
    with urllib.request.urlopen(url, timeout=20) as answer:
        return json.loads(answer.read())


def gone(pid):
    deadline = time.monotonic() + 10
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE and time.monotonic() < deadline:
            with suppress(psutil.TimeoutExpired):
                process.wait(timeout=0.05)
        return process.status() == psutil.STATUS_ZOMBIE
    return True


def test_answers_come_from_the_databases_and_the_process_ends_with_the_block(databases):
    with MockApi(databases, latency_scale=0) as api:
        pid = api.pid
        items = get(api.url + URL)["items"]
        assert items
        assert set(items[0]) == {"title", "year", "rating"}
        question = urlencode({"question": "Where is glass making known? '; DROP TABLE pages"})
        assert get(f"{api.url}/pages/categories?{question}")["items"][0]["category"] == "glass making"
        odd = "/films/charts?genre=drama&decade=soon"
        for path, status in (
            ("/", 404),
            ("/films/reviews", 400),
            (odd, 400),
            ("/orders/promotions?year=1995", 404),
        ):
            with pytest.raises(HTTPError) as refused:
                get(api.url + path)
            assert refused.value.code == status
            assert "error" in json.loads(refused.value.read())
    assert gone(pid)


def test_calls_wait_side_by_side_and_do_not_hold_up_the_end(databases):
    with MockApi(databases, latency_scale=0.1, seed=3) as api, ThreadPoolExecutor(16) as pool:
        started = time.monotonic()
        list(pool.map(get, [api.url + URL] * 16))
        alone_s = sum(draw_latency_s(ROUTES["/films/reviews"], "x", n, 3) for n in range(16)) * 0.1
        assert time.monotonic() - started < alone_s / 2
    with ThreadPoolExecutor(1) as pool:
        with MockApi(databases, latency_scale=1000) as api:
            waiting = pool.submit(get, api.url + URL)
            pid = api.pid
        assert waiting.exception(timeout=20) is not None
    assert gone(pid)


def test_a_call_lasts_at_least_as_long_as_was_drawn_for_it(databases):
    asked = "/films/reviews?[('genre', 'drama'), ('theme', 'river')]"
    drawn = [draw_latency_s(ROUTES["/films/reviews"], asked, occurrence, 5) for occurrence in (1, 2)]
    with MockApi(databases, latency_scale=0.1, seed=5) as api:
        get(api.url + URL.replace("river", "nothing"))  # what is done once only is done
        for one in drawn:
            started = time.monotonic()
            get(api.url + URL)
            assert time.monotonic() - started >= 0.1 * one
    assert min(drawn) > 0.5  # a call that waits for nothing would be told from these


def test_latencies_are_gamma_distributed_and_repeatable():
    route = ROUTES["/orders/promotions"]
    drawn = [draw_latency_s(route, f"/{n}", 1, 0) for n in range(4000)]
    assert statistics.mean(drawn) == pytest.approx(route.latency_s, rel=0.05)
    assert statistics.stdev(drawn) == pytest.approx(route.latency_s / 2, rel=0.08)
    assert drawn[:50] == [draw_latency_s(route, f"/{n}", 1, 0) for n in range(50)]
    assert draw_latency_s(route, "/1", 2, 0) != drawn[1] != draw_latency_s(route, "/1", 1, 1)
    assert {route.latency_s for route in ROUTES.values()} == {3.0, 6.0}


def test_an_error_in_the_block_ends_the_process(databases):
    api = MockApi(databases)
    with pytest.raises(HTTPError), api:
        get(api.url)
    assert gone(api.pid)


def test_the_process_does_not_outlive_one_that_was_killed(databases):
    script = (
        "import sys, time; from workflows.workloads.serve import MockApi\n"
        f"with MockApi({ {name: str(path) for name, path in databases.items()}!r}) as api:\n"
        "    print(api.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)


def test_by_hand_it_says_where_it_is_and_ctrl_c_stops_it(databases, tmp_path):
    command = [sys.executable, "-m", "workflows.workloads.serve", str(databases["films"].parent)]
    command += ["--port", "0", "--latency-scale", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        url = server.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        assert get(url + URL)["items"]
        os.kill(server.pid, signal.SIGINT)
        assert "Traceback" not in server.communicate(timeout=10)[1]


def test_a_database_that_is_not_there_is_said(tmp_path, capfd):
    with pytest.raises(ConfigError, match="did not start"):
        MockApi({"films": tmp_path / "none.duckdb"}).__enter__()
    assert "none.duckdb" in capfd.readouterr().err


def test_without_a_server_library_nothing_seems_to_have_started(databases, tmp_path, monkeypatch, capfd):
    (tmp_path / "uvicorn.py").write_text("raise ImportError('not installed')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    api = MockApi(databases)
    with pytest.raises(ConfigError, match="did not start"):
        api.__enter__()
    assert api.url == ""
    assert gone(api.pid)
    said = capfd.readouterr()
    assert "http://" not in said.out
    assert said.err.startswith("the mock API needs uvicorn\n  fix: pip install 'haloctl[workloads]'")


def test_a_port_that_is_taken_is_said(databases, capfd):
    with MockApi(databases) as api:
        port = int(api.url.rpartition(":")[2])
        with pytest.raises(ConfigError, match="did not start"):
            MockApi(databases, port=port).__enter__()
    assert f"port {port}: Address already in use\n  fix: another --port" in capfd.readouterr().err
