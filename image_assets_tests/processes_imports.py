"""What a forked process has imported (``processes.py``): the command line with every area, and the vendors' SDKs."""

from __future__ import annotations

import warnings

import openai  # noqa: F401 - importing is what this module is for, as below

import image_assets.cli.main
import image_assets.deals.service
import image_assets.enhancement.service
import image_assets.generation.service
import image_assets.marketplace.service
import image_assets.storefront.service  # noqa: F401

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # its end of life
    import google.generativeai  # noqa: F401
