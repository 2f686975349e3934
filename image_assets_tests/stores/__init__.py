"""Tests of the stores: real S3 and SQS stand-ins and a real PostgreSQL over sockets, no patched clients."""
