"""Skills: what a model can be seen to do, from what it writes and where its heads look, and when it began to."""
