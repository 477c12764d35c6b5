"""From a ready node to its work: conditions, rendering, content key. Pure but for template caches."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from engine.contracts import Tool
from engine.errors import HaloError
from engine.ir.batch import Query
from engine.ir.ids import Json, ModelName, NodeId, OperatorId, RequestId
from engine.ir.keys import content_key
from engine.ir.logical import LlmOperator, Operator, ToolOperator
from engine.ir.request import GenerateRequest
from engine.ir.result import FAILURE_CODES, Failed, Failure, Skipped
from engine.processor.protocol import LlmWork, Prepared, ToolWork
from engine.templating import build_scope, render_arguments, render_prompt, truth


class Preparer:
    """Renders nodes. Holds what rendering needs beside the node: tools and model file digests."""

    def __init__(self, tools: Mapping[str, Tool], digests: Mapping[ModelName, str]) -> None:
        self._tools = tools
        self._digests = digests

    def prepare(
        self,
        node: NodeId,
        operator: Operator,
        query: Query,
        values: Mapping[OperatorId, Json],
    ) -> Prepared | Skipped | Failed:
        """Work of a node whose inputs have settled. Never raises for bad data: that is a `Failed`."""
        try:
            scope = build_scope(operator, query, values)
            for condition in operator.policy.when:
                if truth(condition.template, scope) is not condition.expected:
                    return Skipped(reason=f"when: {condition.template.source.strip()}")
            match operator:
                case LlmOperator():
                    return self._prepare_llm(node, operator, scope)
                case ToolOperator():
                    return self._prepare_tool(operator, scope)
        except HaloError as error:
            code = error.code if error.code in FAILURE_CODES else "internal"
            failure = Failure(code=code, message=error.message, retryable=error.retryable)
        except (UnicodeEncodeError, OverflowError) as error:
            message = f"renders to what cannot be sent (a lone surrogate, or a number over 64 bits): {error}"
            failure = Failure(code="template_error", message=message)
        except Exception as error:  # one bad row never stops the batch, not even by a bug of ours
            failure = Failure(code="internal", message=f"{type(error).__name__}: {error}")
        return Failed(failure=msgspec.structs.replace(failure, operator=operator.id))

    def _prepare_llm(self, node: NodeId, operator: LlmOperator, scope: Mapping[str, Json]) -> Prepared:
        messages = render_prompt(operator, scope)
        for message in messages:
            if not message.content.isascii():
                message.content.encode()  # raises on what no worker could be sent
        request = GenerateRequest(
            id=RequestId(node),
            messages=messages,
            max_tokens=operator.max_tokens,
            schema=operator.schema,
            sampling=operator.sampling,
            stop=operator.stop,
        )
        key = None
        if operator.policy.deterministic:
            key = content_key(
                "llm",
                self._digests.get(operator.model, operator.model),
                request.messages,
                request.max_tokens,
                request.schema,
                request.sampling,
                request.stop,
            )
        return Prepared(LlmWork(request, operator.model), key)

    def _prepare_tool(self, operator: ToolOperator, scope: Mapping[str, Json]) -> Prepared:
        arguments = render_arguments(operator, scope)
        tool = self._tools[operator.tool]
        canonical = tool.canonical(arguments)
        shared = operator.policy.deterministic and operator.policy.effects != "write"
        key = None
        if shared and tool.coalescable(arguments):
            key = content_key(operator.tool, canonical)
        return Prepared(ToolWork(operator, arguments), key)
