"""Verified fakes that ship with the product; never the default of anything a user runs."""
