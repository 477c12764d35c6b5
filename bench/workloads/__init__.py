"""The yardstick: W1 to W6 by systems that do the same work, beside what the machine could do at best."""
