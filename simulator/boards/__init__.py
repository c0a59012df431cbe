"""Boards that are kept on the Hugging Face Hub, as a dataset with a folder of submissions."""
