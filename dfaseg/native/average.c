/* Averages the native tiles of a slide by area, each by itself while it is in the core's cache.

   Called through dfaseg/native/average.py, which says what the arguments must be and checks them.
   A period is the shortest stretch after which the edges of both grids meet: `covered` source
   pixels and `count` result pixels. Lengths are counted in parts of 1/count of a source pixel, so
   that every weight is a whole number and every sum is exact, in whatever order it is made.

   Rows first: a result row's weighted sum of source rows is one long loop over bytes, which the
   compiler turns into vectors. Columns then have only that row to pass over, in the core's first
   cache; there the three colours of a pixel, and one lane that is thrown away, are the vector.

   A result pixel that the edge of a tile cuts is the sum of what the tiles on either side hold of
   it. Each leaves its part in memory that no other writes to; once all tiles of a strip are there,
   dfaseg_join_tiles adds them up. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define INLINE static inline __attribute__((always_inline))

typedef uint8_t bytes4 __attribute__((vector_size(4)));
typedef uint8_t bytes16 __attribute__((vector_size(16)));
typedef uint16_t shorts4 __attribute__((vector_size(8)));
typedef uint16_t shorts16 __attribute__((vector_size(32)));
typedef int32_t ints4 __attribute__((vector_size(16)));
typedef double doubles4 __attribute__((vector_size(32)));
typedef double part __attribute__((vector_size(32), aligned(8))); /* what a tile holds of a pixel */

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
    part *cut_rows; /* of those that the strip's top and bottom cut, [2][width] */
    part *seams;    /* of those that a tile's left and right edges cut, [tile][2][row] */
} strip;

/* Source pixels of a tile along one axis, and the result pixels that have any of them. */
typedef struct {
    ptrdiff_t start, stop, first, end;
    int cuts_first, cuts_last; /* whether the tiles before and after hold a part of them */
} span;

/* Which source pixels of a tile a result pixel covers, along one axis, and how much of each. */
typedef struct {
    int32_t first, num, weights[];
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

/* Weights up to `most` are set; those of source pixels that are not covered are 0. */
static void find_taps(taps *found, ptrdiff_t index, span within, scale s, ptrdiff_t most) {
    ptrdiff_t start = index * s.covered, stop = start + s.covered;
    if (start < within.start * s.count) start = within.start * s.count;
    if (stop > within.stop * s.count) stop = within.stop * s.count;
    ptrdiff_t first = start / s.count, last = (stop - 1) / s.count;
    found->first = (int32_t)(first - within.start);
    found->num = (int32_t)(last - first + 1);
    for (ptrdiff_t i = 0; i < most; i++) found->weights[i] = i < found->num ? (int32_t)s.count : 0;
    found->weights[last - first] = (int32_t)(stop - last * s.count);
    found->weights[0] = (int32_t)((first == last ? stop : (first + 1) * s.count) - start);
}

/* Sums of a period of up to this many bytes fit into 16 bits, of which a vector holds twice as many
   as of 32; and those of a block of so many into 31. */
static const ptrdiff_t NARROW_COVERED = 257, NARROW_BLOCK = 1 << 23;

INLINE void sum_rows(
    void *sums, const uint8_t *source, ptrdiff_t stride, ptrdiff_t n, const taps *rows, int narrow) {
    source += rows->first * stride;
    ptrdiff_t i = 0;
    for (; narrow && i + 16 <= n; i += 16) {
        shorts16 sum = {0};
        const uint8_t *row = source + i;
        const int32_t *weight = rows->weights, *end = weight + rows->num;
        for (; weight < end; weight++, row += stride) {
            bytes16 bytes;
            memcpy(&bytes, row, sizeof bytes);
            sum += __builtin_convertvector(bytes, shorts16) * (uint16_t)*weight;
        }
        memcpy((uint16_t *)sums + i, &sum, sizeof sum);
    }
    for (; i < n; i++) {
        uint32_t sum = 0;
        for (ptrdiff_t k = 0; k < rows->num; k++)
            sum += source[k * stride + i] * (uint32_t)rows->weights[k];
        if (narrow)
            ((uint16_t *)sums)[i] = (uint16_t)sum;
        else
            ((uint32_t *)sums)[i] = sum;
    }
}

/* Sums along a row; all columns pass over as many pixels, so that the processor is never taken by
   surprise by how many there are. */
INLINE doubles4 total(const void *sums, const taps *column, ptrdiff_t most, int narrow) {
    ints4 found = {0}, lanes;
    doubles4 wide = {0};
    for (ptrdiff_t k = 0; k < most; k++) {
        ptrdiff_t i = 3 * (column->first + k);
        if (narrow) {
            shorts4 pixel;
            memcpy(&pixel, (const uint16_t *)sums + i, sizeof pixel);
            found += __builtin_convertvector(pixel, ints4) * column->weights[k];
        } else { /* row sums stay below 2**31 */
            memcpy(&lanes, (const uint32_t *)sums + i, sizeof lanes);
            wide += __builtin_convertvector(lanes, doubles4) * (double)column->weights[k];
        }
    }
    return narrow ? __builtin_convertvector(found, doubles4) : wide;
}

/* Totals to means, halves rounded up. Times the inverse, which is sooner done than a division. A
   quarter of a unit lifts means of n and a half, and n exactly, above what rounding could do to
   them; all others are further off. */
typedef struct {
    double half, inverse;
} rounding;

static rounding rounding_of(const strip *t) {
    double weight = (double)t->x.covered * (double)t->y.covered;
    return (rounding){weight / 2 + 0.25, 1 / weight};
}

INLINE void put(uint8_t *to, doubles4 sum, rounding r, size_t bytes) {
    ints4 whole = __builtin_convertvector((sum + r.half) * r.inverse, ints4);
    bytes4 mean = __builtin_convertvector(whole, bytes4);
    memcpy(to, &mean, bytes);
}

static void copy_tile(
    const strip *t, const uint8_t *source, ptrdiff_t stride, span rows, span columns) {
    for (ptrdiff_t row = 0; row < rows.end - rows.first; row++)
        memcpy(
            t->result + row * t->stride + 3 * columns.first, source + row * stride,
            (size_t)(3 * (columns.end - columns.first)));
}

INLINE void average_tile(
    const strip *t, ptrdiff_t tile, const uint8_t *source, ptrdiff_t stride, int32_t *scratch,
    span rows, span columns, ptrdiff_t most, int narrow) {
    rounding r = rounding_of(t);
    ptrdiff_t num_rows = rows.end - rows.first, n = 3 * (columns.stop - columns.start);
    part *left = t->seams + tile * 2 * num_rows, *right = left + num_rows;
    ptrdiff_t step = 2 + most, most_rows = most_taps(t->y);
    int32_t *table = scratch;
    for (ptrdiff_t c = columns.first; c < columns.end; c++, scratch += step)
        find_taps((taps *)scratch, c, columns, t->x, most);
    taps *row_taps = (taps *)scratch;
    void *sums = scratch + 2 + most_rows;
    for (ptrdiff_t row = rows.first; row < rows.end; row++) {
        find_taps(row_taps, row, rows, t->y, most_rows);
        sum_rows(sums, source, stride, n, row_taps, narrow);
        const int32_t *column = table;
        ptrdiff_t from = columns.first, end = columns.end;
        if (columns.cuts_first) {
            left[row - rows.first] = total(sums, (const taps *)column, most, narrow);
            from++, column += step;
        }
        if (columns.cuts_last && from < end) {
            const taps *last = (const taps *)(table + (end - 1 - columns.first) * step);
            right[row - rows.first] = total(sums, last, most, narrow);
            end--;
        }
        int cut = cut_of(row, rows);
        if (cut >= 0) {
            part *to = t->cut_rows + cut * t->width;
            for (ptrdiff_t c = from; c < end; c++, column += step)
                to[c] = total(sums, (const taps *)column, most, narrow);
        } else {
            /* Four bytes at once are sooner written than three; the next pixel makes the fourth
               good. The one beyond the last is another thread's. */
            uint8_t *to = t->result + (row - rows.first) * t->stride + 3 * from;
            for (ptrdiff_t c = from; c < end - 1; c++, column += step, to += 3)
                put(to, total(sums, (const taps *)column, most, narrow), r, 4);
            if (from < end) put(to, total(sums, (const taps *)column, most, narrow), r, 3);
        }
    }
}

/* `scratch` has room for the taps of the tile's columns and of one row, and for a row of sums: 3 per
   source column and per tap of one more column, whose weights there are 0, and one more for the
   lane to spare. */
void dfaseg_average_tile(
    const strip *t, ptrdiff_t tile, const uint8_t *source, ptrdiff_t stride, int32_t *scratch) {
    span rows = rows_of(t), columns = columns_of(t, tile);
    if (rows.first >= rows.end || columns.first >= columns.end) return;
    if (t->x.covered == t->x.count && t->y.covered == t->y.count) {
        copy_tile(t, source, stride, rows, columns);
        return;
    }
    ptrdiff_t most = most_taps(t->x);
    int narrow = t->y.covered <= NARROW_COVERED && t->x.covered * t->y.covered <= NARROW_BLOCK;
    /* One function for all; the compiler makes others from what is known to be so. */
#define AVERAGE(most, narrow) average_tile(t, tile, source, stride, scratch, rows, columns, most, narrow)
    if (!narrow)
        AVERAGE(most, 0);
    else if (most == 2)
        AVERAGE(2, 1);
    else if (most == 3)
        AVERAGE(3, 1);
    else if (most == 4)
        AVERAGE(4, 1);
    else
        AVERAGE(most, 1);
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
                doubles4 sum = {0};
                for (ptrdiff_t i = begun_by; i <= tile; i++)
                    if (is_there[i]) sum += t->seams[(2 * i + (i == begun_by)) * num_rows + row];
                int cut = cut_of(rows.first + row, rows);
                if (cut >= 0)
                    t->cut_rows[cut * t->width + columns.first] = sum;
                else
                    put(t->result + row * t->stride + 3 * columns.first, sum, r, 3);
            }
        }
        if (columns.cuts_last && !(is_single && columns.cuts_first)) begun_by = tile;
    }
}

/* Adds up what edges of the strip's tiles cut. `carry`, [width], holds what strips above have of
   the row that the strip's top cuts, and then what is there of the row that its bottom cuts. */
void dfaseg_join_tiles(const strip *t, const uint8_t *is_there, part *carry) {
    span rows = rows_of(t);
    if (rows.first >= rows.end) return;
    rounding r = rounding_of(t);
    join_columns(t, is_there, rows);
    int is_single = rows.end - rows.first == 1;
    if (rows.cuts_first) {
        int goes_on = is_single && rows.cuts_last;
        for (ptrdiff_t c = 0; c < t->width; c++) {
            doubles4 sum = carry[c] + t->cut_rows[c];
            if (goes_on)
                carry[c] = sum;
            else
                put(t->result + 3 * c, sum, r, 3);
        }
    }
    if (rows.cuts_last && !(is_single && rows.cuts_first))
        memcpy(carry, t->cut_rows + t->width, (size_t)t->width * sizeof *carry);
}
