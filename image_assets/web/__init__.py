"""The web face: the product API and the review page, served by ``image-assets serve``.

Here: HTTP in, HTTP out. Not here: what is done with products and images (``enhancement/``).
"""
