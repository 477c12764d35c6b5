"""Logical plans whose edges are read off their prompts, and profiles with round numbers, for the planner.

`engine.testing.plans` builds plans from lists of edges; here the prompt text itself matters, because what
prompts have in common is what a planner looks at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from engine.ir.batch import Batch, Query
from engine.ir.cost import Curve, ModelProfile, OutputProfile, Profiles, ToolProfile, WorkerProfile
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
from engine.ir.template import Template
from engine.templating import compile_template

PURE = Policy(deterministic=True)


def llm(
    workflow: str,
    name: str,
    prompt: str,
    *,
    model: str = "m",
    system: str | None = None,
    inputs: Sequence[str] = ("q",),
    max_tokens: int = 32,
    policy: Policy = PURE,
) -> LlmOperator:
    """An LLM operator whose edges are the slots of its prompt; roots in `inputs` are query inputs."""
    prompts = [compile_template(prompt)] + ([compile_template(system)] if system is not None else [])
    query_inputs, bindings = _edges(workflow, prompts, inputs)
    return LlmOperator(
        id=OperatorId(f"{workflow}/{name}"),
        model=ModelName(model),
        prompt=prompts[0],
        system=prompts[1] if system is not None else None,
        max_tokens=max_tokens,
        bindings=bindings,
        query_inputs=query_inputs,
        policy=policy,
    )


def tool(
    workflow: str,
    name: str,
    text: str,
    *,
    kind: str = "sql",
    inputs: Sequence[str] = ("q",),
    policy: Policy = PURE,
) -> ToolOperator:
    """A tool operator with one templated argument `text`."""
    leaf = compile_template(text)
    query_inputs, bindings = _edges(workflow, [leaf], inputs)
    return ToolOperator(
        id=OperatorId(f"{workflow}/{name}"),
        tool=kind,
        arguments={"text": {"$template": 0}},
        templates=(ArgumentTemplate(template=leaf, mode="text"),),
        bindings=bindings,
        query_inputs=query_inputs,
        policy=policy,
    )


def _edges(
    workflow: str, templates: Iterable[Template], inputs: Sequence[str]
) -> tuple[tuple[str, ...], tuple[Binding, ...]]:
    roots = dict.fromkeys(reference.root for leaf in templates for reference in leaf.references)
    query_inputs = tuple(root for root in roots if root in inputs)
    bindings = tuple(
        Binding(name=root, sources=(OperatorId(f"{workflow}/{root}"),))
        for root in roots
        if root not in inputs
    )
    return query_inputs, bindings


def workflow(
    name: str, operators: Sequence[Operator], outputs: Sequence[str], *, inputs: Sequence[str] = ("q",)
) -> LogicalPlan:
    """A workflow with one output column for each operator named in `outputs`."""
    columns = tuple(
        Output(
            name=output,
            template=compile_template(f"{{{{ {output} }}}}"),
            bindings=(Binding(name=output, sources=(OperatorId(f"{name}/{output}"),)),),
        )
        for output in outputs
    )
    specs = {column: InputSpec() for column in inputs}
    return LogicalPlan(workflow=name, inputs=specs, operators=tuple(operators), outputs=columns)


def batch(name: str, rows: Iterable[dict[str, Json]], *, first: int = 0) -> Batch:
    """Rows as queries of workflow `name`, numbered from `first`."""
    return Batch(
        queries=tuple(
            Query(index=QueryIndex(first + i), id=str(first + i), workflow=name, bindings=row)
            for i, row in enumerate(rows)
        )
    )


def model_profile(
    model: str,
    *,
    speed: float = 1.0,
    load_s: float = 1.0,
    model_bytes: int = 0,
    kv_bytes_per_token: int = 0,
    measured: bool = True,
) -> ModelProfile:
    """A model that prefills 2,000 tokens/s and decodes 100 steps/s alone, 50 at 16 sequences, × `speed`."""
    return ModelProfile(
        model=ModelName(model),
        device="test",
        prefill=Curve(points=((0.0, 0.0), (2000.0, 1.0 / speed))),
        decode=Curve(points=((1.0, 0.01 / speed), (16.0, 0.02 / speed))),
        load_s=load_s,
        model_bytes=model_bytes,
        kv_bytes_per_token=kv_bytes_per_token,
        measured=measured,
    )


def profiles(
    models: Sequence[ModelProfile],
    *,
    workers: int = 1,
    memory_bytes: int = 1 << 40,
    slots: int = 16,
    tools: Sequence[ToolProfile] = (),
    outputs: Sequence[OutputProfile] = (),
    resident: dict[WorkerId, tuple[ModelName, ...]] | None = None,
) -> Profiles:
    """`workers` equal workers named w0, w1, … that run all of `models`."""
    return Profiles(
        workers=tuple(
            WorkerProfile(
                worker=WorkerId(f"w{i}"),
                backend="echo",
                device="test",
                slots=slots,
                memory_bytes=memory_bytes,
                models=tuple(models),
            )
            for i in range(workers)
        ),
        tools=tuple(tools),
        outputs=tuple(outputs),
        resident=resident or {},
    )
