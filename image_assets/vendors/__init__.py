"""Clients of other companies' APIs over one HTTP layer.

Here: authentication, limits and error mapping of each vendor. Not here: what the project does with a vendor (areas).
"""
