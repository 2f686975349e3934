"""Dagster's entry point to the code location (``workspace.yaml``); everything is assembled in ``build.py``."""

from image_assets.build import build_definitions

defs = build_definitions()
