"""The planner: consolidation, cost model, epoch dynamic program, baselines, EXPLAIN. Pure."""

from engine.optimizer.analyze import analyze, analyze_json
from engine.optimizer.consolidate import consolidate
from engine.optimizer.explain import explain, explain_json
from engine.optimizer.pipeline import make_plan
from engine.optimizer.schedulers import SCHEDULERS

__all__ = [
    "SCHEDULERS",
    "analyze",
    "analyze_json",
    "consolidate",
    "explain",
    "explain_json",
    "make_plan",
]
