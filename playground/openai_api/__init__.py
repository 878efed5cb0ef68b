"""An OpenAI-compatible server in the running playground, for programs that speak that protocol: off unless `--api`."""
