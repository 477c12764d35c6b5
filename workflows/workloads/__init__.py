"""Six agentic workloads over films, pages and orders: workflows, questions, a mock API for their calls."""
