/* Averages the native tiles of a slide by area, each by itself while it is in the core's cache.

   Called through dfaseg/native/average.py, which says what the arguments must be and checks them.
   A period is the shortest stretch after which the edges of both grids meet: `covered` source
   pixels and `count` result pixels. Lengths are counted in parts of 1/count of a source pixel, so
   that every weight is a whole number and every sum is exact, in whatever order it is made.

   Rows first: a result row's weighted sum of source rows is one long loop over bytes, which the
   compiler turns into vectors. Columns then have only that row to pass over, in the core's first
   cache; there the three colours of a pixel, and one lane that is thrown away, are the vector.

   Sums count from the middle of what a byte can be, as far down as up, and so need a bit less.
   Whatever parts make a pixel, what they lack adds up to the same: rounding puts it back.

   A result pixel that the edge of a tile cuts is the sum of what the tiles on either side hold of
   it. Each leaves its part in memory that no other writes to; once all tiles of a strip are there,
   dfaseg_join_tiles adds them up. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

typedef uint8_t bytes32 __attribute__((vector_size(32)));
typedef int16_t shorts8 __attribute__((vector_size(16)));
typedef uint16_t shorts32 __attribute__((vector_size(64)));
typedef int32_t ints4 __attribute__((vector_size(16)));
typedef int32_t ints32 __attribute__((vector_size(128)));
typedef double doubles4 __attribute__((vector_size(32)));

enum { COLOURS = 3, MIDDLE = 128, BLOCK = sizeof(bytes32) };

typedef struct {
    ptrdiff_t covered; /* source pixels per period */
    ptrdiff_t count;   /* result pixels per period */
} scale;

/* A row of native tiles; average.py has the same fields in the same order. */
typedef struct {
    scale x, y;
    ptrdiff_t width, height;         /* of the result, in all */
    ptrdiff_t tile_width, num_tiles; /* of source pixels; per strip */
    ptrdiff_t source_width;          /* up to where the last tile reaches */
    ptrdiff_t top, bottom;           /* source rows of the strip */
    uint8_t *result;                 /* from the first row on that has any pixel of the strip */
    ptrdiff_t stride;
    double *cut_rows; /* of those that the strip's top and bottom cut, [2][width][COLOURS] */
    double *seams;    /* of those that a tile's edges cut, [tile][left, right][row][COLOURS] */
} strip;

/* Source pixels of a tile along one axis, and the result pixels that have any of them. */
typedef struct {
    ptrdiff_t start, stop, first, end;
    int cuts_first, cuts_last; /* whether the tiles before and after hold a part of them */
} span;

/* Which source pixels of a tile a result pixel covers, along one axis, and how much of the first
   and of the last one, which is 0 where they are the same; all of those between. */
typedef struct {
    ptrdiff_t first, num;
    int32_t of_first, of_last, in_all;
} taps;

static span span_of(ptrdiff_t start, ptrdiff_t stop, ptrdiff_t length, scale s) {
    span found = {.start = start, .stop = stop, .first = start * s.count / s.covered};
    ptrdiff_t end = (stop * s.count + s.covered - 1) / s.covered;
    found.end = end < length ? end : length;
    found.cuts_first = found.first * s.covered < start * s.count;
    found.cuts_last = found.end * s.covered > stop * s.count;
    return found;
}

static span columns_of(const strip *t, ptrdiff_t tile) {
    ptrdiff_t left = tile * t->tile_width, right = left + t->tile_width;
    return span_of(left, tile == t->num_tiles - 1 ? t->source_width : right, t->width, t->x);
}

static span rows_of(const strip *t) { return span_of(t->top, t->bottom, t->height, t->y); }

/* Which of the two cut rows a row of the result is: 0 or 1, or -1 if it lies within the strip. */
static int cut_of(ptrdiff_t row, span rows) {
    if (row == rows.first && rows.cuts_first) return 0;
    if (row == rows.end - 1 && rows.cuts_last) return 1;
    return -1;
}

/* Most source pixels of which a result pixel covers any part. */
static ptrdiff_t most_taps(scale s) { return (s.covered + 2 * s.count - 2) / s.count; }

static taps taps_of(ptrdiff_t index, span within, scale s) {
    ptrdiff_t start = index * s.covered, stop = start + s.covered;
    if (start < within.start * s.count) start = within.start * s.count;
    if (stop > within.stop * s.count) stop = within.stop * s.count;
    ptrdiff_t first = start / s.count, last = (stop - 1) / s.count;
    taps found = {.first = first - within.start, .num = last - first + 1};
    found.in_all = (int32_t)(stop - start);
    found.of_last = first == last ? 0 : (int32_t)(stop - last * s.count);
    found.of_first = first == last ? found.in_all : (int32_t)((first + 1) * s.count - start);
    return found;
}

/* Sums of a period of up to this many rows fit into 16 bits, and so do the weights of one of up to
   so many columns; what they make together then fits into 32. */
static const ptrdiff_t NARROW_ROWS = 256, NARROW_COLUMNS = INT16_MAX;

/* Of 16 bits, where they wrap around until all is added up, or of 32. */
typedef struct {
    shorts32 narrow;
    ints32 wide;
} block;

INLINE void add_bytes(block *sums, const uint8_t *source, size_t n, int32_t weight, int narrow) {
    bytes32 bytes = {0};
    memcpy(&bytes, source, n);
    if (narrow)
        sums->narrow += __builtin_convertvector(bytes, shorts32) * (uint16_t)weight;
    else
        sums->wide += __builtin_convertvector(bytes, ints32) * weight;
}

INLINE void sum_block(
    void *to, const uint8_t *source, ptrdiff_t stride, size_t n, taps rows, scale s, int narrow) {
    block sums = {0};
    const uint8_t *whole = source + stride, *last = source + (rows.num - 1) * stride;
    /* One or two rows at most scales: not worth a loop for four. */
#pragma clang loop unroll(disable)
    for (ptrdiff_t left = rows.num - 2; left > 0; left--, whole += stride)
        add_bytes(&sums, whole, n, 1, narrow);
    sums.narrow *= (uint16_t)s.count;
    sums.wide *= (int32_t)s.count;
    add_bytes(&sums, source, n, rows.of_first, narrow);
    add_bytes(&sums, last, n, rows.of_last, narrow);
    sums.narrow -= (uint16_t)(MIDDLE * rows.in_all);
    sums.wide -= MIDDLE * rows.in_all;
    if (narrow)
        memcpy(to, &sums.narrow, sizeof sums.narrow);
    else
        memcpy(to, &sums.wide, sizeof sums.wide);
}

INLINE void sum_rows(
    void *sums, const uint8_t *source, ptrdiff_t stride, ptrdiff_t n, taps rows, scale s,
    int narrow) {
    source += rows.first * stride;
    ptrdiff_t size = narrow ? sizeof(int16_t) : sizeof(int32_t);
    for (ptrdiff_t i = 0; n >= BLOCK && i < n; i += BLOCK) {
        ptrdiff_t at = i + BLOCK <= n ? i : n - BLOCK; /* the last goes over some once more */
        sum_block((char *)sums + at * size, source + at, stride, BLOCK, rows, s, narrow);
    }
    if (n < BLOCK) sum_block(sums, source, stride, (size_t)n, rows, s, narrow);
}

/* What all columns of a tile cover, as pairs of source pixels. All pass over as many, so that the
   processor is never taken by surprise by how many there are; some have a weight of 0. */
typedef struct {
    ptrdiff_t num, pairs;
    int32_t *firsts; /* where in a row of sums */
    void *weights;   /* [num][pairs][4][2] of 16 bits, for each lane, or [num][pairs][2] doubles */
} table;

INLINE void fill_table(table to, span columns, scale s, int narrow) {
    for (ptrdiff_t c = 0; c < to.num; c++) {
        taps column = taps_of(columns.first + c, columns, s);
        to.firsts[c] = (int32_t)(COLOURS * column.first);
        for (ptrdiff_t k = 0; k < 2 * to.pairs; k++) {
            int32_t weight = k < column.num - 1 ? (int32_t)s.count : 0;
            if (k == column.num - 1) weight = column.of_last;
            if (k == 0) weight = column.of_first;
            if (narrow)
                for (ptrdiff_t lane = 0; lane < 4; lane++)
                    ((int16_t *)to.weights)[8 * (c * to.pairs + k / 2) + 2 * lane + k % 2] =
                        (int16_t)weight;
            else
                ((double *)to.weights)[2 * c * to.pairs + k] = weight;
        }
    }
}

/* a[2i] * b[2i] + a[2i + 1] * b[2i + 1]: one instruction, which the compiler does not find. */
INLINE ints4 sum_pairs(shorts8 a, shorts8 b) {
#ifdef __SSE2__
    return (ints4)_mm_madd_epi16((__m128i)a, (__m128i)b);
#else
#define HALF(x, i) \
    __builtin_convertvector(__builtin_shufflevector(x, x, i, i + 2, i + 4, i + 6), ints4)
    return HALF(a, 0) * HALF(b, 0) + HALF(a, 1) * HALF(b, 1);
#endif
}

/* Sums along a row of sums. The next column makes the lane to spare good. */
INLINE void sum_columns(void *totals, const void *sums, table t, int narrow) {
    for (ptrdiff_t c = 0; c < t.num; c++) {
        ints4 total = {0}, pixel;
        doubles4 wide = {0};
        for (ptrdiff_t k = 0; narrow && k < t.pairs; k++) {
            shorts8 pixels, weights;
            memcpy(&pixels, (const int16_t *)sums + t.firsts[c] + 2 * COLOURS * k, sizeof pixels);
            memcpy(&weights, (const int16_t *)t.weights + 8 * (c * t.pairs + k), sizeof weights);
            pixels = __builtin_shufflevector(pixels, pixels, 0, 3, 1, 4, 2, 5, 6, 7);
            total += sum_pairs(pixels, weights);
        }
        for (ptrdiff_t k = 0; !narrow && k < 2 * t.pairs; k++) {
            memcpy(&pixel, (const int32_t *)sums + t.firsts[c] + COLOURS * k, sizeof pixel);
            double weight = ((const double *)t.weights)[2 * c * t.pairs + k];
            wide += __builtin_convertvector(pixel, doubles4) * weight;
        }
        if (narrow)
            memcpy((int32_t *)totals + COLOURS * c, &total, sizeof total);
        else
            memcpy((double *)totals + COLOURS * c, &wide, sizeof wide);
    }
}

/* Totals to means, halves rounded up. Times the inverse, which is sooner done than a division. A
   quarter of a unit lifts means of n and a half, and n exactly, above what rounding could do to
   them; all others are as far off, or further.

   Single precision will do where all weights sum to 2**13 at most. Totals with the quarter need 23
   bits and are exact; the inverse and the product are off by 2**-24 of themselves, each, together
   by less than 2**-15 of a mean below 256, which is the quarter of a unit. */
static const ptrdiff_t SINGLE_WEIGHT = 1 << 13;

typedef struct {
    double half, inverse;
    int single;
} rounding;

static rounding rounding_of(const strip *t) {
    ptrdiff_t weight = t->x.covered * t->y.covered;
    return (rounding){
        .half = MIDDLE * (double)weight + (double)weight / 2 + 0.25,
        .inverse = 1 / (double)weight,
        .single = weight <= SINGLE_WEIGHT};
}

static __attribute__((noinline)) void put_means(
    uint8_t *restrict to, const void *restrict totals, ptrdiff_t n, rounding r, int narrow) {
#define PUT(total, number) \
    for (ptrdiff_t i = 0; i < n; i++) \
        to[i] = (uint8_t)(int32_t)( \
            ((number)((const total *)totals)[i] + (number)r.half) * (number)r.inverse)
    if (!narrow)
        PUT(double, double);
    else if (!r.single)
        PUT(int32_t, double);
    else
        PUT(int32_t, float);
}

static void put_parts(double *restrict to, const void *restrict totals, ptrdiff_t n, int narrow) {
    for (ptrdiff_t i = 0; i < n; i++)
        to[i] = narrow ? ((const int32_t *)totals)[i] : ((const double *)totals)[i];
}

static void add_parts(double *restrict to, const double *restrict parts, ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) to[i] += parts[i];
}

static void copy_tile(
    const strip *t, const uint8_t *source, ptrdiff_t stride, span rows, span columns) {
    for (ptrdiff_t row = 0; row < rows.end - rows.first; row++)
        memcpy(
            t->result + row * t->stride + COLOURS * columns.first, source + row * stride,
            (size_t)(COLOURS * (columns.end - columns.first)));
}

INLINE void average_tile(
    const strip *t, ptrdiff_t tile, const uint8_t *source, ptrdiff_t stride, double *scratch,
    span rows, span columns, ptrdiff_t pairs, int narrow) {
    rounding r = rounding_of(t);
    ptrdiff_t num_rows = rows.end - rows.first, n = COLOURS * (columns.stop - columns.start);
    double *left = t->seams + tile * 2 * num_rows * COLOURS, *right = left + num_rows * COLOURS;
    table columns_table = {.num = columns.end - columns.first, .pairs = pairs, .weights = scratch};
    double *totals = scratch + 2 * pairs * columns_table.num;
    columns_table.firsts = (int32_t *)(totals + COLOURS * columns_table.num + 1);
    void *sums = columns_table.firsts + columns_table.num;
    fill_table(columns_table, columns, t->x, narrow);
    /* Columns that no edge cuts, and where the totals of these and of the one after them are. */
    ptrdiff_t from = columns.cuts_first, end = columns_table.num;
    if (columns.cuts_last && from < end) end--;
    ptrdiff_t num = COLOURS * (end - from), size = narrow ? sizeof(int32_t) : sizeof(double);
    const char *whole = (const char *)totals + COLOURS * from * size, *after = whole + num * size;
    for (ptrdiff_t row = 0; row < num_rows; row++) {
        sum_rows(sums, source, stride, n, taps_of(rows.first + row, rows, t->y), t->y, narrow);
        sum_columns(totals, sums, columns_table, narrow);
        if (from > 0) put_parts(left + COLOURS * row, totals, COLOURS, narrow);
        if (end < columns_table.num) put_parts(right + COLOURS * row, after, COLOURS, narrow);
        ptrdiff_t at = COLOURS * (columns.first + from);
        int cut = cut_of(rows.first + row, rows);
        if (cut >= 0)
            put_parts(t->cut_rows + cut * COLOURS * t->width + at, whole, num, narrow);
        else
            put_means(t->result + row * t->stride + at, whole, num, r, narrow);
    }
}

/* `scratch` has room for a tile's table, a row of totals and, of 32 bits, of sums. The latter are 3
   per source column and per one of two pairs more than a column has, whose weights there are 0,
   and a block. */
void dfaseg_average_tile(
    const strip *t, ptrdiff_t tile, const uint8_t *source, ptrdiff_t stride, double *scratch) {
    span rows = rows_of(t), columns = columns_of(t, tile);
    if (rows.first >= rows.end || columns.first >= columns.end) return;
    if (t->x.covered == t->x.count && t->y.covered == t->y.count) {
        copy_tile(t, source, stride, rows, columns);
        return;
    }
    ptrdiff_t pairs = (most_taps(t->x) + 1) / 2;
    int narrow = t->y.covered <= NARROW_ROWS && t->x.covered <= NARROW_COLUMNS;
    /* One function for all; the compiler makes others from what is known to be so. */
#define AVERAGE(pairs, narrow) \
    average_tile(t, tile, source, stride, scratch, rows, columns, pairs, narrow)
    if (!narrow)
        AVERAGE(pairs, 0);
    else if (pairs == 1)
        AVERAGE(1, 1);
    else if (pairs == 2)
        AVERAGE(2, 1);
    else
        AVERAGE(pairs, 1);
}

/* Adds up the columns of the result that edges of tiles cut. The first tile that has a part of one
   has it at its right edge; the others, more than one where pixels are wide, at their left. */
static void join_columns(const strip *t, const uint8_t *is_there, span rows) {
    rounding r = rounding_of(t);
    ptrdiff_t num_rows = rows.end - rows.first, begun_by = 0;
    for (ptrdiff_t tile = 0; tile < t->num_tiles; tile++) {
        span columns = columns_of(t, tile);
        if (columns.first >= columns.end) return;
        int is_single = columns.end - columns.first == 1;
        if (columns.cuts_first && !(is_single && columns.cuts_last)) {
            for (ptrdiff_t row = 0; row < num_rows; row++) {
                double sum[COLOURS] = {0};
                for (ptrdiff_t i = begun_by; i <= tile; i++) {
                    ptrdiff_t part = (2 * i + (i == begun_by)) * num_rows + row;
                    if (is_there[i]) add_parts(sum, t->seams + COLOURS * part, COLOURS);
                }
                ptrdiff_t at = COLOURS * columns.first;
                int cut = cut_of(rows.first + row, rows);
                if (cut >= 0)
                    memcpy(t->cut_rows + cut * COLOURS * t->width + at, sum, sizeof sum);
                else
                    put_means(t->result + row * t->stride + at, sum, COLOURS, r, 0);
            }
        }
        if (columns.cuts_last && !(is_single && columns.cuts_first)) begun_by = tile;
    }
}

/* Adds up what edges of the strip's tiles cut. `carry`, [width][COLOURS], holds what strips above
   have of the row that the strip's top cuts, and then what is there of the row that its bottom
   cuts. */
void dfaseg_join_tiles(const strip *t, const uint8_t *is_there, double *carry) {
    span rows = rows_of(t);
    if (rows.first >= rows.end) return;
    join_columns(t, is_there, rows);
    ptrdiff_t n = COLOURS * t->width;
    int is_single = rows.end - rows.first == 1;
    if (rows.cuts_first) {
        add_parts(carry, t->cut_rows, n);
        int goes_on = is_single && rows.cuts_last;
        if (!goes_on) put_means(t->result, carry, n, rounding_of(t), 0);
    }
    if (rows.cuts_last && !(is_single && rows.cuts_first))
        memcpy(carry, t->cut_rows + n, (size_t)n * sizeof *carry);
}
