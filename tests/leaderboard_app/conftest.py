from shown_folders import empty, full, full_library, open_app, small

__all__ = ["empty", "full", "full_library", "open_app", "small"]
