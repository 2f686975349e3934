"""Tests of the Dagster face of the storefront area."""
