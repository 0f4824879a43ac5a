"""The forms a secret takes in a log, and the filter that masks them in a stream."""

from ciplug.redact.forms import MIN_LENGTH, Form, forms, hideable
from ciplug.redact.kernel import Candidate, Kernel, LiteralKernel
from ciplug.redact.stream import MASK, QUIET, StreamFilter, redact

__all__ = [
    "MASK",
    "MIN_LENGTH",
    "QUIET",
    "Candidate",
    "Form",
    "Kernel",
    "LiteralKernel",
    "StreamFilter",
    "forms",
    "hideable",
    "redact",
]
