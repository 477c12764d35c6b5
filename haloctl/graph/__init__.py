"""Pictures of a workflow's graph: a layered layout in character cells, SVG and Mermaid. Pure."""
