/* Halves class indices along both axes: each result takes the commonest of the four below it. */

#include <stddef.h>
#include <stdint.h>

/* Of the commonest the first in reading order, a b over c d. The first pixel is one of them unless
   it is alone. */
static inline uint8_t commonest(uint8_t a, uint8_t b, uint8_t c, uint8_t d) {
    uint8_t other = b == c || b == d ? b : c == d ? c : a;
    return a == b || a == c || a == d ? a : other;
}

/* `rows` are 2 n of `width` bytes, `stride` apart, `halved` n of half as many, rounded up; an odd
   last column counts twice. */
void dfaseg_halve(
    const uint8_t *restrict rows, ptrdiff_t stride, ptrdiff_t n, ptrdiff_t width,
    uint8_t *restrict halved) {
    ptrdiff_t half = width / 2;
    for (ptrdiff_t row = 0; row < n; row++, rows += 2 * stride, halved += half + width % 2) {
        const uint8_t *upper = rows, *lower = rows + stride;
        for (ptrdiff_t i = 0; i < half; i++)
            halved[i] = commonest(upper[2 * i], upper[2 * i + 1], lower[2 * i], lower[2 * i + 1]);
        if (width % 2)
            halved[half] = commonest(upper[width - 1], upper[width - 1], lower[width - 1], lower[width - 1]);
    }
}
