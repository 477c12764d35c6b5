"""`haloctl ctl`: give orders to a running run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from engine.wire.orders import Answer, Done, Order
from haloctl import render
from haloctl.client import Attached
from haloctl.config import load_settings
from haloctl.exit_codes import OK, USAGE
from haloctl.flags import AsJson, ConfigFile
from haloctl.live_runs import find_live
from haloctl.order_words import orders_of, split_run


def ctl(
    *words: Annotated[
        str,
        Parameter(name="[RUN] ACTION", help="A run (default: the newest live one), and what it is to do."),
    ],
    now: Annotated[bool, Parameter(help="With cancel: do not let what runs finish.", negative="")] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> int:
    """Give an order to a run that is under way, and print its answer.

    pause, resume: start nothing more; go on. What runs finishes.

    cancel: stop the run, resumable; what runs may finish.

    cancel-query ID …: end rows now, as failed with code `cancelled`; a row is its id, or its index as #N.

    requeue-failed [ID …]: take failed rows back and run them again: these, or all but cancelled ones.

    restart-worker WORKER: kill a worker's process and start a new one.

    limit tool.KIND=N, worker.NAME=N, worker.NAME=all, total_s=SECONDS, total_s=none: until the run ends.

    Exits with 0 if every order was carried out or held already, and with 2 if one was refused.

    Examples:
    --------
    haloctl ctl pause

    haloctl ctl 20261121-122501-k3f9 limit tool.http=4
    """
    name, action, arguments = split_run(words)
    orders = orders_of(action, arguments, now=now)
    directory = find_live(load_settings(config).settings, name)
    answers = _ask(directory, orders)
    if as_json:
        render.result_json({"run": directory.name, "answers": answers})
    else:
        for answer in answers:
            _say(answer)
    return OK if all(isinstance(answer, Done) for answer in answers) else USAGE


def _ask(directory: Path, orders: tuple[Order, ...]) -> list[Answer]:
    with Attached(directory, watch=False, client="haloctl ctl") as run:
        return [run.ask(order) for order in orders]


def _say(answer: Answer) -> None:
    if isinstance(answer, Done):
        render.result(answer.words)
    else:
        render.say(f"haloctl: refused ({answer.code}): {answer.words}\n  fix: {answer.fix}")
