"""What several trials share, made by whichever needs it first."""

import threading


class Once:
    def __init__(self):
        self.lock = threading.Lock()
        self.entries = {}

    def __call__(self, name, make):
        """The value of this name; an error is kept, too, and raised for everybody."""
        with self.lock:
            entry = self.entries.setdefault(name, Entry())
        return entry.value(make)


class Entry:
    def __init__(self):
        self.lock = threading.Lock()
        self.outcome = None

    def value(self, make):
        with self.lock:
            if self.outcome is None:
                try:
                    self.outcome = (make(), None)
                except Exception as error:
                    self.outcome = (None, error)
        value, error = self.outcome
        if error is not None:
            raise error
        return value
