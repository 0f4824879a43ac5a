"""How secrets reach a command, or the shell of a job: environment, files, and the filter for what it prints."""
