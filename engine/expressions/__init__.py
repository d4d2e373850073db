"""The TaskRouter expression language: pure parsing, evaluation and partial evaluation."""
