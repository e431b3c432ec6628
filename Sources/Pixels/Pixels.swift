// Pixels: see Documentation.
