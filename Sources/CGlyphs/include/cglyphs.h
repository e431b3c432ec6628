// FreeType behind a few functions, so that Swift does not see its headers. Functions that return an int return
// FreeType's error, 0 for none.
#ifndef CGLYPHS_H
#define CGLYPHS_H

#include <stddef.h>
#include <stdint.h>

/// An open font file; used by one thread at a time.
typedef struct cglyphs_font cglyphs_font;

typedef enum {
    /// Each byte is how much of a pixel is covered.
    CGLYPHS_GREY,
    /// Each bit is a pixel, the highest first.
    CGLYPHS_MONO,
    /// Blue, green and red, multiplied by alpha, and alpha.
    CGLYPHS_BGRA,
    CGLYPHS_OTHER
} cglyphs_format;

/// The pixels of a glyph, which last until the font draws the next; NULL for none.
typedef struct {
    cglyphs_format format;
    int width, height;
    /// Bytes from one row to the next.
    int pitch;
    /// Where the top left corner lies from the origin, y downwards.
    int left, top;
    const uint8_t *pixels;
} cglyphs_bitmap;

/// On success *font is to be closed.
int cglyphs_open(const char *path, cglyphs_font **font);
void cglyphs_close(cglyphs_font *font);

/// The index of a character's glyph; 0 for none.
unsigned cglyphs_index(cglyphs_font *font, uint32_t code_point);

/// Number of sizes for which the font holds bitmaps.
int cglyphs_strike_count(cglyphs_font *font);

/// A glyph's own bitmap, from the first strike.
int cglyphs_strike(cglyphs_font *font, unsigned glyph, cglyphs_bitmap *bitmap);

int cglyphs_set_size(cglyphs_font *font, unsigned pixels_per_em);

/// A glyph's outline, unhinted, at the size that is set; smooth gives grey edges, otherwise every pixel is on or off.
int cglyphs_outline(cglyphs_font *font, unsigned glyph, int smooth, cglyphs_bitmap *bitmap);

/// Selects the first palette and begins with the coloured layers of a glyph. *has_palette is 0 for a font without.
int cglyphs_begin_layers(cglyphs_font *font, unsigned glyph, int *has_palette);

/// The next layer's glyph and colour (red, green, blue, alpha; black for the text's colour); returns 0 after the last.
int cglyphs_next_layer(cglyphs_font *font, unsigned *layer, uint8_t rgba[4]);

#endif
