import signal

from hypothesis import settings

# Started in the background of a script, a shell's children ignore Ctrl-C, and so would the programs
# that tests start and end.
signal.signal(signal.SIGINT, signal.default_int_handler)

# No deadline: how long an example takes depends on what else the machine is doing.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")
