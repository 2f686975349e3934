"""Tests of image_assets.sandbox.gemini."""
