// Torch: see Documentation.
