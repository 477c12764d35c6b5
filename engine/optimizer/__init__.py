"""The planner: consolidation, cost model, epoch dynamic program, baselines, EXPLAIN. Pure."""

from engine.optimizer.consolidate import consolidate
from engine.optimizer.pipeline import make_plan
from engine.optimizer.schedulers import SCHEDULERS

__all__ = ["SCHEDULERS", "consolidate", "make_plan"]
