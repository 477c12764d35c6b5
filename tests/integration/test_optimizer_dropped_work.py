"""Work that nothing reads is not carried out, and rows come out all the same."""

import msgspec

from engine.ir.ids import ModelName
from engine.ir.logical import Output
from engine.ir.options import RunOptions
from engine.ir.request import ModelFile, ModelOptions
from engine.templating import compile_template
from engine.testing.plans import batch, flat_profiles, llm, workflow
from engine.testing.runs import Setup, run_batches

ECHO = ModelFile(name=ModelName("m"), backend="echo", path="echo", options=ModelOptions(slots=4))


def setup():
    return Setup(profiles=flat_profiles(["w0"], ["m"]), models={ModelName("m"): ECHO})


async def test_an_operator_nobody_reads_never_runs(tmp_path):
    operators = [llm("w", "used", inputs=["q"]), llm("w", "unused", reads=["used"])]
    plan = workflow("w", operators, inputs=["q"], outputs={"answer": "used"})
    ran = await run_batches(tmp_path, (plan,), [batch("w", [{"q": "a"}, {"q": "b"}])], setup(), RunOptions())
    assert [row["status"] for row in ran.rows] == ["ok", "ok"]
    assert ran.report.nodes.executed == 2
    assert ran.report.nodes.logical == 2


async def test_rows_whose_outputs_need_no_operator_come_out(tmp_path):
    plan = workflow("w", [llm("w", "unused", inputs=["q"])], inputs=["q"], outputs={})
    echoed = Output(name="question", template=compile_template("{{ q }}"), query_inputs=("q",))
    plan = msgspec.structs.replace(plan, outputs=(echoed,))
    ran = await run_batches(tmp_path, (plan,), [batch("w", [{"q": "a"}, {"q": "b"}])], setup(), RunOptions())
    assert [row["outputs"] for row in ran.rows] == [{"question": "a"}, {"question": "b"}]
    assert ran.report.nodes.executed == 0
