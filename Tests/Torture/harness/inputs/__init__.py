"""Malformed files of every format that the program reads."""

from . import datasets, images, models, runs, settings, tensors
from .format import trials_of


def trials(harness):
    formats = [form for part in (images, tensors, models, settings, runs, datasets) for form in part.formats(harness)]
    return [trial for form in formats for trial in trials_of(form)]
