#include "cglyphs.h"

#include <ft2build.h>
#include <stdlib.h>
#include FT_FREETYPE_H
#include FT_COLOR_H

struct cglyphs_font {
    FT_Library library;
    FT_Face face;
    FT_Color *palette;
    FT_LayerIterator iterator;
    FT_UInt layered;
};

int cglyphs_open(const char *path, cglyphs_font **font) {
    cglyphs_font *made = calloc(1, sizeof(cglyphs_font));
    if (made == NULL) return FT_Err_Out_Of_Memory;
    FT_Error error = FT_Init_FreeType(&made->library);
    if (error != 0) {
        free(made);
        return error;
    }
    error = FT_New_Face(made->library, path, 0, &made->face);
    if (error != 0) {
        FT_Done_FreeType(made->library);
        free(made);
        return error;
    }
    *font = made;
    return 0;
}

void cglyphs_close(cglyphs_font *font) {
    FT_Done_Face(font->face);
    FT_Done_FreeType(font->library);
    free(font);
}

unsigned cglyphs_index(cglyphs_font *font, uint32_t code_point) { return FT_Get_Char_Index(font->face, code_point); }

int cglyphs_strike_count(cglyphs_font *font) { return font->face->num_fixed_sizes; }

/// The bitmap of the glyph that is loaded.
static void describe(const FT_GlyphSlot slot, cglyphs_bitmap *bitmap) {
    switch (slot->bitmap.pixel_mode) {
    case FT_PIXEL_MODE_GRAY: bitmap->format = CGLYPHS_GREY; break;
    case FT_PIXEL_MODE_MONO: bitmap->format = CGLYPHS_MONO; break;
    case FT_PIXEL_MODE_BGRA: bitmap->format = CGLYPHS_BGRA; break;
    default: bitmap->format = CGLYPHS_OTHER; break;
    }
    bitmap->width = (int)slot->bitmap.width;
    bitmap->height = (int)slot->bitmap.rows;
    bitmap->pitch = slot->bitmap.pitch;
    bitmap->left = slot->bitmap_left;
    bitmap->top = -slot->bitmap_top;
    bitmap->pixels = slot->bitmap.buffer;
}

int cglyphs_strike(cglyphs_font *font, unsigned glyph, cglyphs_bitmap *bitmap) {
    FT_Error error = FT_Select_Size(font->face, 0);
    if (error == 0) error = FT_Load_Glyph(font->face, glyph, FT_LOAD_COLOR);
    if (error == 0) describe(font->face->glyph, bitmap);
    return error;
}

int cglyphs_set_size(cglyphs_font *font, unsigned pixels_per_em) {
    return FT_Set_Pixel_Sizes(font->face, 0, pixels_per_em);
}

int cglyphs_outline(cglyphs_font *font, unsigned glyph, int smooth, cglyphs_bitmap *bitmap) {
    const FT_Int32 flags = FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP | (smooth ? 0 : FT_LOAD_TARGET_MONO);
    FT_Error error = FT_Load_Glyph(font->face, glyph, flags);
    if (error == 0) error = FT_Render_Glyph(font->face->glyph, smooth ? FT_RENDER_MODE_NORMAL : FT_RENDER_MODE_MONO);
    if (error == 0) describe(font->face->glyph, bitmap);
    return error;
}

int cglyphs_begin_layers(cglyphs_font *font, unsigned glyph, int *has_palette) {
    font->palette = NULL;
    font->iterator.p = NULL;
    font->layered = glyph;
    const FT_Error error = FT_Palette_Select(font->face, 0, &font->palette);
    *has_palette = font->palette != NULL;
    return error;
}

int cglyphs_next_layer(cglyphs_font *font, unsigned *layer, uint8_t rgba[4]) {
    FT_UInt colour = 0;
    if (font->palette == NULL) return 0;
    if (!FT_Get_Color_Glyph_Layer(font->face, font->layered, layer, &colour, &font->iterator)) return 0;
    // 0xFFFF stands for the text's colour.
    const FT_Color black = {0, 0, 0, 255};
    const FT_Color entry = colour == 0xFFFF ? black : font->palette[colour];
    rgba[0] = entry.red;
    rgba[1] = entry.green;
    rgba[2] = entry.blue;
    rgba[3] = entry.alpha;
    return 1;
}
