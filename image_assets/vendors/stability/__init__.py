"""Stability AI's image API (v2beta): texts into pictures.

Here: how to talk to Stability. Not here: what is asked of it, and what the pictures are for (areas).
"""
