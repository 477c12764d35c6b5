"""Logical plans, batches and profiles built in code, for tests and benchmarks that need no YAML."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from engine.ir.batch import Batch, Query
from engine.ir.cost import Curve, ModelProfile, Profiles, WorkerProfile
from engine.ir.ids import Json, ModelName, OperatorId, QueryIndex, WorkerId
from engine.ir.logical import (
    ArgumentTemplate,
    Binding,
    LlmOperator,
    LogicalPlan,
    Operator,
    Output,
    Policy,
    ToolOperator,
)
from engine.ir.spec import InputSpec
from engine.templating import compile_template


def llm(
    workflow: str,
    name: str,
    *,
    reads: Sequence[str] = (),
    inputs: Sequence[str] = (),
    model: str = "m",
    deterministic: bool = True,
    max_tokens: int = 8,
    retries: int = 0,
) -> LlmOperator:
    """An LLM operator whose prompt names itself and prints what it reads."""
    slots = " ".join(f"{{{{ {source} }}}}" for source in (*inputs, *reads))
    return LlmOperator(
        id=OperatorId(f"{workflow}/{name}"),
        model=ModelName(model),
        system=compile_template("You answer briefly."),
        prompt=compile_template(f"{name}: {slots}"),
        max_tokens=max_tokens,
        bindings=_bindings(workflow, reads),
        query_inputs=tuple(inputs),
        policy=Policy(deterministic=deterministic, lasting=deterministic, retries=retries),
    )


def tool(
    workflow: str,
    name: str,
    *,
    kind: str = "lookup",
    reads: Sequence[str] = (),
    inputs: Sequence[str] = (),
    policy: Policy | None = None,
) -> ToolOperator:
    """A tool operator with one text argument that prints what it reads."""
    policy = policy or Policy(deterministic=True, effects="read", retries=0)
    slots = " ".join(f"{{{{ {source} }}}}" for source in (*inputs, *reads))
    return ToolOperator(
        id=OperatorId(f"{workflow}/{name}"),
        tool=kind,
        arguments={"key": {"$template": 0}},
        templates=(ArgumentTemplate(template=compile_template(f"{name} {slots}"), mode="text"),),
        bindings=_bindings(workflow, reads),
        query_inputs=tuple(inputs),
        policy=policy,
    )


def workflow(
    name: str, operators: Iterable[Operator], *, inputs: Sequence[str], outputs: Mapping[str, str]
) -> LogicalPlan:
    """A logical plan; `outputs` maps a column to the operator it prints."""
    return LogicalPlan(
        workflow=name,
        inputs={column: InputSpec() for column in inputs},
        operators=tuple(operators),
        outputs=tuple(
            Output(
                name=column,
                template=compile_template(f"{{{{ {source} }}}}"),
                bindings=_bindings(name, (source,)),
            )
            for column, source in outputs.items()
        ),
    )


def batch(workflow_name: str, rows: Iterable[Mapping[str, Json]], *, first: int = 0) -> Batch:
    """A window of queries with ids q0, q1, …"""
    return Batch(
        queries=tuple(
            Query(index=QueryIndex(first + i), id=f"q{first + i}", workflow=workflow_name, bindings=dict(row))
            for i, row in enumerate(rows)
        )
    )


def flat_profiles(workers: Sequence[str], models: Sequence[str], *, slots: int = 4) -> Profiles:
    """Workers that run every model at the same plain speed."""
    profiles = tuple(
        ModelProfile(
            model=ModelName(model),
            device="test",
            prefill=Curve(points=((1.0, 0.001), (1000.0, 0.5))),
            decode=Curve(points=((1.0, 0.01), (16.0, 0.02))),
            load_s=0.5,
            model_bytes=1 << 20,
            kv_bytes_per_token=1 << 10,
            measured=True,
        )
        for model in models
    )
    return Profiles(
        workers=tuple(
            WorkerProfile(
                worker=WorkerId(name),
                backend="echo",
                device="test",
                slots=slots,
                memory_bytes=1 << 30,
                models=profiles,
            )
            for name in workers
        )
    )


def _bindings(workflow_name: str, reads: Sequence[str]) -> tuple[Binding, ...]:
    return tuple(Binding(name=source, sources=(OperatorId(f"{workflow_name}/{source}"),)) for source in reads)
