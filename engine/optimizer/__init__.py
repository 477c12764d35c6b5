"""The planner: consolidation, cost model, epoch dynamic program, baselines, EXPLAIN. Pure."""
