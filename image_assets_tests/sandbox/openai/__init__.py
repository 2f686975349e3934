"""Tests of image_assets.sandbox.openai."""
