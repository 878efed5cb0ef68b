"""The form of a training stage: its settings, what it will cost here, and what the model will see."""
