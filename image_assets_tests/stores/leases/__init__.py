"""Tests of queues in SQL on a real PostgreSQL, with threads and processes that are really killed."""
