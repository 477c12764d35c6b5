"""From the live state to what widgets take: pure functions, tested without a terminal."""
