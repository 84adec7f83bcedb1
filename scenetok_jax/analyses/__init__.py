"""The paper's analyses: each module's run() takes a model and options."""
