"""Many targets of one service: canary, parallel runs, resume."""
