"""Dagster pieces all areas share: resources, partitions, metadata, failures, alerts.

Here: what knows dagster but no area. Not here: an area's assets and automation (in the area's own package).
"""

import warnings

import dagster as dg

# Beta in 1.13, and what range backfills are launched by; the warning would come with every load of every process.
warnings.filterwarnings("ignore", message="Parameter `backfill_policy`", category=dg.BetaWarning)
