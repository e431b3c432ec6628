#include "crsvg.h"

#include <cairo.h>
#include <librsvg/rsvg.h>
#include <string.h>

/// The text of a GLib error, which is freed.
static char *explain(GError *error) {
    char *text = strdup(error != NULL && error->message != NULL ? error->message : "unknown error");
    if (error != NULL) g_error_free(error);
    return text;
}

/// RGB of cairo's rows of native-endian 0x00RRGGBB words.
static void copy_pixels(cairo_surface_t *surface, int width, int height, uint8_t *rgb) {
    const uint8_t *data = cairo_image_surface_get_data(surface);
    const int stride = cairo_image_surface_get_stride(surface);
    for (int y = 0; y < height; y++) {
        const uint32_t *row = (const uint32_t *)(data + (size_t)y * (size_t)stride);
        for (int x = 0; x < width; x++) {
            *rgb++ = (uint8_t)(row[x] >> 16);
            *rgb++ = (uint8_t)(row[x] >> 8);
            *rgb++ = (uint8_t)row[x];
        }
    }
}

char *crsvg_render(
    const uint8_t *svg, size_t length, int width, int height, double red, double green, double blue, uint8_t *rgb) {
    GError *error = NULL;
    RsvgHandle *handle = rsvg_handle_new_from_data(svg, length, &error);
    if (handle == NULL) return explain(error);
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t *context = cairo_create(surface);
    cairo_set_source_rgb(context, red, green, blue);
    cairo_paint(context);

    char *failure = NULL;
    const RsvgRectangle viewport = {0, 0, width, height};
    if (!rsvg_handle_render_document(handle, context, &viewport, &error)) {
        failure = explain(error);
    } else {
        cairo_surface_flush(surface);
        if (cairo_surface_status(surface) == CAIRO_STATUS_SUCCESS && cairo_image_surface_get_data(surface) != NULL) {
            copy_pixels(surface, width, height, rgb);
        } else {
            failure = strdup("out of memory");
        }
    }
    cairo_destroy(context);
    cairo_surface_destroy(surface);
    g_object_unref(handle);
    return failure;
}
