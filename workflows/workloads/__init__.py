"""Six agentic workloads over films, pages and orders: workflows, questions, and a mock API for their calls."""
