"""Parse, plan and run batches of agentic workflows; no front end lives here."""
