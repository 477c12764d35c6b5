"""A world for the run state: answers its instructions in any order a test chooses, without any I/O.

`World.step(choice)` lets one pending thing happen (an attempt ends, a model is loaded, a worker dies); the
choices come from the test, hypothesis mostly, so every interleaving can be explored and shrunk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from engine.ir.event import Event
from engine.ir.ids import ContentKey, NodeId, WorkerId
from engine.ir.result import Completed, Failure, NodeRecord, QueryResult, Usage
from engine.journal.records import CrashRecord
from engine.processor.protocol import (
    Abort,
    Commit,
    Delay,
    Dispatch,
    Draining,
    Emit,
    Errored,
    Finish,
    Instruction,
    LaneUp,
    LetGo,
    LlmWork,
    Load,
    LoadFailed,
    NeedWindow,
    NoteCrash,
    Ordered,
    Remind,
    Reminded,
    Reply,
    Resident,
    Respawn,
    Restart,
    RetryDue,
    SetTotal,
    Stimulus,
    StopLater,
    Succeeded,
    TakeBack,
    Tell,
    WorkerDied,
)
from engine.processor.state import RunState
from engine.wire.orders import Answer, Order

Pending: TypeAlias = Dispatch | Load | Respawn | Delay | Remind | LetGo | Restart | StopLater | TakeBack


@dataclass(slots=True)
class World:
    """What the instructions asked for so far, and what has not been answered yet.

    `take_back` stands for journal and planner: it gives what `TakeBack` is answered with.
    """

    state: RunState
    take_back: Callable[[World, TakeBack], Stimulus] | None = None
    pending: list[Pending] = field(default_factory=list)
    dispatched: list[NodeId] = field(default_factory=list)
    records: list[NodeRecord] = field(default_factory=list)
    cached: dict[ContentKey, Completed] = field(default_factory=dict)
    crashes: list[CrashRecord] = field(default_factory=list)
    rows: list[QueryResult] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    answers: list[Answer | None] = field(default_factory=list)
    """By the number of the order, from 0; None while it is not answered."""
    total_s: float | None = None
    finished: bool = False
    aborted: Abort | None = None
    at: float = 0.0

    def tell(self, stimulus: Stimulus) -> None:
        """Give the state a stimulus and take its instructions."""
        self.at += 0.01
        for instruction in self.state.absorb((stimulus,), self.at):
            self._take(instruction)

    def order(self, order: Order) -> Answer | None:
        """Give an order; the answer, if it came at once."""
        self.answers.append(None)
        self.tell(Ordered(order, len(self.answers) - 1))
        return self.answers[-1]

    def _take(self, instruction: Instruction) -> None:
        match instruction:
            case Dispatch():
                self.pending.append(instruction)
                self.dispatched.append(instruction.node)
            case Load() | Respawn() | Delay() | Remind():
                self.pending.append(instruction)
            case LetGo() | Restart() | StopLater() | TakeBack():
                self.pending.append(instruction)
            case SetTotal(total_s=total_s):
                self.total_s = total_s
            case Reply(ticket=ticket, answer=given):
                assert self.answers[ticket] is None, "an order is answered once"
                self.answers[ticket] = given
            case Commit(record=record, cache_key=key):
                self.records.append(record)
                if key is not None and isinstance(record.outcome, Completed):
                    self.cached[key] = record.outcome
            case Emit(row=row):
                self.rows.append(row)
            case Tell(event=event):
                self.events.append(event)
            case NoteCrash(record=record):
                self.crashes.append(record)
            case NeedWindow():
                pass  # tests tell windows themselves
            case Finish():
                self.finished = True
            case Abort():
                self.aborted = instruction

    def step(self, choice: int, *, failure: Failure | None = None) -> None:
        """Let the pending thing at `choice` (modulo their number) happen; an attempt may fail."""
        instruction = self.pending.pop(choice % len(self.pending))
        match instruction:
            case Dispatch(node=node):
                self.tell(
                    Errored(node, failure) if failure else Succeeded(node, answer(instruction, self.at))
                )
            case Load(worker=worker, model=model):
                self.tell(Resident(worker, model, 0.1))
            case Respawn(worker=worker):
                self.tell(LaneUp(worker, 1, "echo"))
            case Delay(node=node):
                self.tell(RetryDue(node))
            case Remind(worker=worker, delay_s=delay_s):
                self.at += delay_s
                self.tell(Reminded(worker))
            case LetGo(node=node):
                self._let_go(node)
            case Restart(worker=worker):
                self.kill(worker, blamed=False, asked=True)
            case StopLater():
                self.tell(Draining(at_once=True))
            case TakeBack():
                assert self.take_back is not None
                self.tell(self.take_back(self, instruction))

    def _let_go(self, node: NodeId) -> None:
        """A lane cancels an attempt, unless it ended before."""
        for entry in self.pending:
            if isinstance(entry, Dispatch) and entry.node == node:
                self.pending.remove(entry)
                self.tell(Errored(node, Failure(code="cancelled", message="let go")))
                return

    def refuse_load(self, load: Load) -> None:
        """A pending load fails."""
        self.pending.remove(load)
        failure = Failure(code="generation_failed", message="refused by the test")
        self.tell(LoadFailed(load.worker, load.model, failure))

    def kill(self, worker: str, *, blamed: bool, asked: bool = False) -> None:
        """The worker dies, or does not come up again: what was pending on it is never answered."""
        self.pending = [
            entry
            for entry in self.pending
            if not (isinstance(entry, Dispatch) and entry.lane == worker)
            and not (isinstance(entry, Load | Respawn | Restart) and entry.worker == worker)
        ]
        self.tell(WorkerDied(WorkerId(worker), "killed by the test", blamed, asked=asked))


def answer(dispatch: Dispatch, at: float) -> Completed:
    """A value that depends on the work alone, as a deterministic operator's does."""
    work = dispatch.work
    if isinstance(work, LlmWork):
        text = "|".join(message.content for message in work.request.messages)
        words = len(text.split())
        usage = Usage(prompt_tokens=words, computed_tokens=words, decoded_tokens=1)
        return Completed(value=f"<{text}>", usage=usage, started_s=at, finished_s=at)
    return Completed(value={"got": work.arguments["key"]}, started_s=at, finished_s=at)
