"""Model runtimes behind the `Backend` protocol; model libraries are imported only here."""
