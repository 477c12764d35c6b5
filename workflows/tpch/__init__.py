"""The embedded example: questions over TPC-H, answered with SQL and two models."""
