"""What every process of a storm has when it is forked: importing Google's SDK takes seconds."""

from __future__ import annotations

import warnings

import image_assets_tests.enhancement.chaos_worker  # noqa: F401 - importing it is what this is for

with warnings.catch_warnings():
    warnings.simplefilter("ignore", FutureWarning)  # its end of life
    import google.generativeai  # noqa: F401 - as above
