"""Templates: Jinja2 source to `engine.ir.template.Template`, and rendering in a sandbox."""
