from tiny_models import causal_model, one_thread

__all__ = ["causal_model", "one_thread"]
