/* Vertices of rings as JSON. Called through dfaseg/native/text.py, which says what the arguments must
   be: the text of each coordinate is known, so that all there is to do is copying. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { OPENS = 1, CLOSES = 2, IS_LAST = 4, BYTES = 8 };

typedef struct {
    const char *texts;      /* those of 0, 1, ..., `width` bytes each, a multiple of eight */
    const uint8_t *lengths; /* how many of these each text has */
    ptrdiff_t width, count;
} coordinates;

static char *put(char *out, coordinates axis, int32_t number) {
    const char *text = axis.texts + number * axis.width;
    for (ptrdiff_t i = 0; i < axis.width; i += BYTES) memcpy(out + i, text + i, BYTES);
    return out + axis.lengths[number];
}

static int has(coordinates axis, int32_t number) { return number >= 0 && number < axis.count; }

/* `out` has room for all texts at full width and six signs for each vertex. `size` is what they
   take, or -1 if one has no text. */
void dfaseg_write_vertices(
    const int32_t *vertices, const uint8_t *marks, ptrdiff_t n, ptrdiff_t repeats_first,
    const char *x_texts, const uint8_t *x_lengths, ptrdiff_t x_width, ptrdiff_t x_count,
    const char *y_texts, const uint8_t *y_lengths, ptrdiff_t y_width, ptrdiff_t y_count,
    char *out, int64_t *size) {
    coordinates x = {x_texts, x_lengths, x_width, x_count};
    coordinates y = {y_texts, y_lengths, y_width, y_count};
    char *begin = out;
    *size = -1;
    for (ptrdiff_t i = 0; i < n; i++) {
        if (!has(x, vertices[2 * i]) || !has(y, vertices[2 * i + 1])) return;
        if (repeats_first || !(marks[i] & CLOSES)) {
            *out++ = marks[i] & OPENS ? '[' : ',';
            *out++ = '[';
            out = put(out, x, vertices[2 * i]);
            *out++ = ',';
            out = put(out, y, vertices[2 * i + 1]);
            *out++ = ']';
        }
        if (marks[i] & CLOSES) {
            *out++ = ']';
            *out++ = marks[i] & IS_LAST ? '\n' : ',';
        }
    }
    *size = out - begin;
}
