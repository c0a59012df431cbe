"""The pool format: schemas, reading, writing, checking and finding pools."""
