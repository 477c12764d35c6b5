"""Six agentic workflows of the kind the planner is for, as logical plans with their own short prompts.

Topologies follow the workloads of the paper this project implements: diamonds, chains, bridges and fans of
LLM calls over three model sizes (S, M, L) with SQL and HTTP tools between them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from engine.ir.cost import ToolProfile
from engine.ir.logical import LogicalPlan, Operator
from engine.testing.planning import llm, tool, workflow

SQL_S = 0.01
"""Mean seconds of a SQL call in these workloads; HTTP calls say their own."""


@dataclass(frozen=True)
class Workload:
    """A workflow and the latencies of its tools."""

    name: str
    plan: LogicalPlan
    tools: tuple[ToolProfile, ...]


@dataclass(frozen=True)
class _Edges:
    """One operator: its kind or model size, and what it reads."""

    kind: str
    reads: str


def _workload(name: str, http_s: float, output: str, lines: str) -> Workload:
    """Lines read `name kind < inputs`; kind is S, M or L for an LLM, sql, http or rule for a tool.

    A tool's text after `:` names the statement, so that equal statements merge whatever they are called.
    """
    operators: list[Operator] = []
    tools: list[ToolProfile] = []
    for line in filter(None, (line.strip() for line in lines.splitlines())):
        head, _, reads = line.partition("<")
        label, kind, *statement = head.split()
        slots = " and ".join(f"{{{{ {read} }}}}" for read in reads.split())
        if kind in "SML":
            prompt = f"You are step {label} of {name}. Consider {slots} and answer in JSON."
            operators.append(llm(name, label, prompt, model=kind, max_tokens=64))
            continue
        body = f"{statement[0] if statement else label} of {slots}"
        operator = tool(name, label, body, kind=kind)
        operators.append(operator)
        mean = http_s if kind == "http" else SQL_S if kind == "sql" else 0.001
        tools.append(ToolProfile(operator=operator.id, mean_s=mean, concurrency=8, source="history"))
    return Workload(name, workflow(name, operators, [output]), tuple(tools))


def diamond() -> Workload:
    """W1: 8 LLM calls, 9 tools; a split, two merges, a tail."""
    return _workload(
        "W1", 0.3, "fin",
        """kp M < q
        h1 http < kp
        h2 http < kp
        p1 sql < kp
        p2 sql < kp
        a1 sql < kp
        a2 sql < kp
        m1 sql < kp
        f1 sql < kp
        n1 sql < kp
        em S < kp h1 h2
        ep M < kp p1 p2
        ea L < kp a1 a2
        hm M < em ep m1
        hf S < hm ea f1
        tail L < hf
        fin M < hf tail n1""",
    )  # fmt: skip


def triple_chain() -> Workload:
    """W2: 10 LLM calls, 3 tools; three chains and a merge."""
    return _workload(
        "W2", 0.3, "fin",
        """kp M < q
        sc L < q
        s1 sql < kp
        mo L < kp s1
        mf L < mo
        h http < kp
        po M < kp h
        pf M < po
        s2 sql < kp
        co S < kp s2
        ci S < co
        cf S < ci
        fin S < kp sc mf pf cf""",
    )  # fmt: skip


def long_chain() -> Workload:
    """W3: 9 LLM calls, 6 tools; several chains from one question."""
    return _workload(
        "W3", 0.3, "fin",
        """s1 sql < q
        s2 sql < q
        gt M < q s1 s2
        s3 sql < q
        t1 M < gt s3
        t2 M < t1
        h1 http < q
        cat L < q h1
        cd L < cat
        h2 http < q
        ol S < q h2
        il S < ol gt
        nr M < q
        s4 sql < q
        fin S < gt t2 cd ol il nr s4""",
    )  # fmt: skip


def bridge() -> Workload:
    """W4: 9 LLM calls, 3 tools; three chains that bridge each other."""
    return _workload(
        "W4", 0.3, "fin",
        """s1 sql < q
        a0 M < q s1
        a1 M < a0
        a2 M < a1
        h http < q
        b1 L < a1 h
        b2 L < b1
        s2 sql < q
        c1 S < a0 s2
        c2 S < c1
        s0 S < a2 b2 c2
        fin S < a2 s0""",
    )  # fmt: skip


def trident() -> Workload:
    """W5: 7 LLM calls, 10 tools; three experts over a database."""
    return _workload(
        "W5", 0.6, "fin",
        """r rule < q
        q1 sql < r
        q6 sql < r
        q3 sql < r
        q5 sql < r
        q2 sql < r
        q9 sql < r
        q15 sql < r
        h12 http < r
        h14 http < r
        e1 S < r q1 q6
        e2 M < r q3 q5
        e3 L < r q2 q9
        h1 M < e1 e2 h12
        h2 S < h1 e3 h14
        tail L < h2
        fin M < h2 tail q15""",
    )  # fmt: skip


def fanout() -> Workload:
    """W6: 9 LLM calls, 13 tools of which five repeat a statement under another name."""
    return _workload(
        "W6", 0.6, "fin",
        """r rule < q
        s1 sql one < r
        s2 sql two < r
        s3 sql three < r
        s4 sql four < r
        s5 sql five < r
        h1 http < r
        h2 http < r
        a L < r s1 s2 s3 s4
        b S < r h1 h2
        c M < r s5
        d L < r
        e L < r
        z1 sql one < r
        z2 sql two < r
        z3 sql three < r
        z4 sql four < r
        z5 sql five < r
        a2 L < a b c d e z1 z2 z3 z4
        c2 M < a b c d e z5
        n2 L < a b c d e
        fin L < a2 c2 n2""",
    )  # fmt: skip


WORKLOADS: tuple[Callable[[], Workload], ...] = (diamond, triple_chain, long_chain, bridge, trident, fanout)
