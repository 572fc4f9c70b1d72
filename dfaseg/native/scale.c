/* Bytes of RGB pixels to floats, each colour with a factor and an offset of its own. */

#include <stddef.h>
#include <stdint.h>

/* As many bytes as are a whole number of both pixels and vectors. */
enum { COLOURS = 3, BLOCK = 48 };

/* A product and a sum, each rounded, as anybody else would do it. */
static inline float scaled(uint8_t byte, float factor, float offset) {
    return (float)byte * factor + offset;
}

/* `n` bytes; `factors` and `offsets` are one per colour. */
void dfaseg_scale(
    const uint8_t *restrict bytes, ptrdiff_t n, const float *factors, const float *offsets,
    float *restrict out) {
    float factor[BLOCK], offset[BLOCK];
    for (int i = 0; i < BLOCK; i++) {
        factor[i] = factors[i % COLOURS];
        offset[i] = offsets[i % COLOURS];
    }
    ptrdiff_t i = 0;
    for (; i + BLOCK <= n; i += BLOCK)
        for (int k = 0; k < BLOCK; k++) out[i + k] = scaled(bytes[i + k], factor[k], offset[k]);
    for (int k = 0; i < n; i++, k++) out[i] = scaled(bytes[i], factor[k], offset[k]);
}
