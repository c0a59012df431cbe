import signal

# Started in the background of a script, a shell's children ignore Ctrl-C, and so would the programs
# that tests start and end.
signal.signal(signal.SIGINT, signal.default_int_handler)
