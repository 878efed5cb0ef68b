"""Data: texts, dialogues, labelled texts and preferences, read from files and made into batches."""
