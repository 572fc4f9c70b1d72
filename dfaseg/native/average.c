/* Averages RGB pixels by area: each pixel of the result is the mean of exactly what it covers.

   Called through dfaseg/native/average.py, which says what the arguments must be and checks them.
   A period is the shortest stretch after which the edges of both grids meet: `covered` source
   pixels and `count` result pixels. Lengths are counted in parts of 1/count of a source pixel, so
   that every weight is a whole number and every sum is exact.

   Rows first: a result row's weighted sum of source rows is one long loop over bytes, which the
   compiler turns into vectors. Columns then have only that row to pass over, in the core's first
   cache; there the three colours of a pixel, and one lane that is thrown away, are the vector. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint32_t sums4 __attribute__((vector_size(16)));
typedef int32_t ints4 __attribute__((vector_size(16)));
typedef double doubles4 __attribute__((vector_size(32)));

typedef struct {
    ptrdiff_t covered; /* source pixels per period */
    ptrdiff_t count;   /* result pixels per period */
} scale;

/* What a result pixel covers: source pixels first to last of its period, only a part of either. */
typedef struct {
    ptrdiff_t first, last;
    uint32_t first_weight, last_weight; /* the latter 0 if there is one pixel only */
} extent;

static extent extent_of(ptrdiff_t index, scale s) {
    ptrdiff_t start = index * s.covered, stop = start + s.covered;
    ptrdiff_t first = start / s.count, last = (stop - 1) / s.count;
    if (first == last) return (extent){first, last, (uint32_t)s.covered, 0};
    return (extent){
        first, last, (uint32_t)((first + 1) * s.count - start), (uint32_t)(stop - last * s.count)};
}

static void begin(uint32_t *restrict sums, const uint8_t *restrict row, ptrdiff_t n, uint32_t w) {
    for (ptrdiff_t i = 0; i < n; i++) sums[i] = w * row[i];
}

static void add(uint32_t *restrict sums, const uint8_t *restrict row, ptrdiff_t n, uint32_t w) {
    for (ptrdiff_t i = 0; i < n; i++) sums[i] += w * row[i];
}

static void sum_rows(
    uint32_t *sums, const uint8_t *period, ptrdiff_t stride, ptrdiff_t n, extent e, scale s) {
    begin(sums, period + e.first * stride, n, e.first_weight);
    for (ptrdiff_t i = e.first + 1; i < e.last; i++)
        add(sums, period + i * stride, n, (uint32_t)s.count);
    if (e.last_weight) add(sums, period + e.last * stride, n, e.last_weight);
}

static doubles4 pixel(const uint32_t *sums) {
    ints4 lanes; /* row sums stay below 2**31, and signed numbers are converted sooner */
    memcpy(&lanes, sums, sizeof lanes);
    return __builtin_convertvector(lanes, doubles4);
}

/* Averages along a row of sums, halves rounded up: one column of all periods after the other. */
static void average_row(
    uint8_t *result, const uint32_t *sums, ptrdiff_t periods, scale s, double weight) {
    /* Times the inverse, which is sooner done than a division. A quarter of a unit lifts means of n
       and a half, and n exactly, above what rounding could do to them; all others are further off. */
    double half = weight / 2 + 0.25, inverse = 1 / weight;
    for (ptrdiff_t column = 0; column < s.count; column++) {
        extent e = extent_of(column, s);
        const uint32_t *from = sums + 3 * e.first;
        uint8_t *to = result + 3 * column;
        for (ptrdiff_t p = 0; p < periods; p++, from += 3 * s.covered, to += 3 * s.count) {
            doubles4 total = pixel(from) * e.first_weight;
            if (e.last_weight) total += pixel(from + 3 * (e.last - e.first)) * e.last_weight;
            doubles4 whole = {0};
            for (ptrdiff_t i = 1; i < e.last - e.first; i++) whole += pixel(from + 3 * i);
            total += whole * (double)s.count;
            ints4 mean = __builtin_convertvector((total + half) * inverse, ints4);
            to[0] = (uint8_t)mean[0];
            to[1] = (uint8_t)mean[1];
            to[2] = (uint8_t)mean[2];
        }
    }
}

/* `sums` has room for 3 * periods_x * covered_x + 1 numbers, the last one for the lane to spare. */
void dfaseg_average(
    const uint8_t *source, ptrdiff_t source_stride, uint8_t *result, ptrdiff_t result_stride,
    ptrdiff_t periods_y, ptrdiff_t covered_y, ptrdiff_t count_y,
    ptrdiff_t periods_x, ptrdiff_t covered_x, ptrdiff_t count_x, uint32_t *sums) {
    scale y = {covered_y, count_y}, x = {covered_x, count_x};
    ptrdiff_t n = 3 * periods_x * covered_x;
    double weight = (double)covered_y * (double)covered_x;
    for (ptrdiff_t p = 0; p < periods_y; p++) {
        const uint8_t *period = source + p * covered_y * source_stride;
        for (ptrdiff_t row = 0; row < count_y; row++, result += result_stride) {
            sum_rows(sums, period, source_stride, n, extent_of(row, y), y);
            average_row(result, sums, periods_x, x, weight);
        }
    }
}
