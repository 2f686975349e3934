"""The only code that touches stores: S3 objects, SQS queues, SQL databases and Parquet frames.

Here: clients made from settings, error mapping, retries, request counting. Not here: what a key or a row means (areas).
"""
