/* Counts how often each byte occurs. Labels hold few values in long runs: a block of equal bytes is
   one addition. In others four tables keep each count from waiting for the one before. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BLOCK = 64, MOST = 1 << 24 };

static int is_uniform(const uint8_t *block) {
    uint8_t other = 0;
    for (int i = 0; i < BLOCK; i++) other |= (uint8_t)(block[i] ^ block[0]);
    return !other;
}

/* At most so many that no number of 32 bits overflows. */
static void count_part(const uint8_t *values, ptrdiff_t n, int64_t *counts) {
    uint32_t tables[4][256];
    memset(tables, 0, sizeof tables);
    ptrdiff_t i = 0;
    for (; n - i >= BLOCK; i += BLOCK) {
        if (is_uniform(values + i))
            tables[0][values[i]] += BLOCK;
        else
            for (int k = 0; k < BLOCK; k++) tables[k % 4][values[i + k]]++;
    }
    for (; i < n; i++) tables[0][values[i]]++;
    for (int k = 0; k < 4; k++)
        for (int value = 0; value < 256; value++) counts[value] += tables[k][value];
}

/* `counts` are 256 numbers, which are added to. */
void dfaseg_count(const uint8_t *values, ptrdiff_t n, int64_t *counts) {
    for (; n > MOST; values += MOST, n -= MOST) count_part(values, MOST, counts);
    count_part(values, n, counts);
}
