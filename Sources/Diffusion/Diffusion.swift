// Diffusion: see Documentation.
