"""ciplug: one manifest, every pipeline. Short-lived, per-job secrets from a vault."""

__version__ = "0.1.0"
