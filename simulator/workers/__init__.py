"""Workers of long commands: processes behind the interface of `concurrent.futures.Executor`."""
