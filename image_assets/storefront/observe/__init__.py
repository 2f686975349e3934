"""Reading the storefront's world: the catalog database, the bucket, the shop.

Here: I/O in, values of ``model.py`` out. Not here: any write but remembered measurements.
"""
