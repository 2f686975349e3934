"""Tests of the Dagster face of the deals area."""
