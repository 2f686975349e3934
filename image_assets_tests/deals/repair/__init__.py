"""Tests of event-driven repair."""
