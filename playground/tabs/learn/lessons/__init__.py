"""The lessons: a folder each, which declares its `LESSON`."""
