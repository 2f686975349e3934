"""Tests of the deals area: pure parts by properties, the rest against an S3 stand-in over sockets."""
