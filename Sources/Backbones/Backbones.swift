// Backbones: see Documentation.
