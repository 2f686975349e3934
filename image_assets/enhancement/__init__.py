"""Enhancement: raw photographs of products in, enhanced images that a person approves out (spec 04)."""
