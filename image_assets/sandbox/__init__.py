"""Stand-ins for the outside world, on loopback only: S3 and SQS (moto), PostgreSQL, and sample data.

Here: real servers to try the project against without an account. Not here: anything production runs, and
Dagster.
"""
