// librsvg behind one function, so that Swift sees neither its headers nor GLib's.
#ifndef CRSVG_H
#define CRSVG_H

#include <stddef.h>
#include <stdint.h>

/// Draws an SVG text scaled to fit width × height pixels, centred, its aspect ratio kept.
///
/// - rgb: takes width · height · 3 bytes.
/// - red, green, blue: what transparent places show, 0…1.
/// - returns: NULL, or why it cannot be drawn, a text that the caller frees.
char *crsvg_render(
    const uint8_t *svg, size_t length, int width, int height, double red, double green, double blue, uint8_t *rgb);

#endif
