"""Why a job does not get its secrets: each step of the pipeline tried on its own, each ✗ with its remedy.

`diagnosis` has the steps in their order. Nothing is imported here: a job that fails explains itself with `explain`
alone, and does without the libraries of the rest.
"""
