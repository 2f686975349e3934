"""Pixels in memory: variant sets, decoding, rendering, probing, contact sheets.

Here: bytes in, bytes out. Not here: the network, databases, and what an image is for.
"""
