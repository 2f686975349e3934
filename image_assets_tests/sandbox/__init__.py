"""Tests of the sandbox: real servers on loopback, no patched clients."""
