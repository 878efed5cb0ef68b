"""GPT-2 and its whole life in pure PyTorch: vocabulary, model, training, generation, and a look inside."""
