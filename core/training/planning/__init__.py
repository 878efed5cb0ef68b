"""Planning: memory, time and learning rate of a training before it begins."""
