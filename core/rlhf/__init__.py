"""RLHF: log-probabilities, rollouts and the arithmetic of PPO, as pure functions where they can be."""
