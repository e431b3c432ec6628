// Nothing is called in here: see cstartup.c.
