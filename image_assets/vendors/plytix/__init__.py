"""The Plytix PIM API v1: client, access tokens, rate windows and typed answers.

Here: how to talk to Plytix. Not here: which images an Amazon product should have (``marketplace/``).
"""
