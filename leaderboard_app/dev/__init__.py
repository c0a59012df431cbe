"""Tools for developers of the app: a server to test against, screenshots."""
