// Experiments: see Documentation.
