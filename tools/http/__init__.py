"""HTTP requests to allowed hosts, bounded in size and time."""
