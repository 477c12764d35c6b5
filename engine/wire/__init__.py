"""What the processor and a worker process say to each other, and how it is framed."""
