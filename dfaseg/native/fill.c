/* Fills polygons into a part of a mask by the even-odd rule at pixel centres.

   Called through dfaseg/native/fill.py, which says what the arguments must be and checks them.
   Each edge toggles, in every row whose centre line it crosses, the bit of the first pixel right
   of it. Then a row of bits says where runs of pixels begin and end. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { BITS = 64 };

typedef struct {
    const double *starts, *ends; /* (x, y) of each edge, in px of the whole mask */
    int64_t first, end;          /* edges of one shape */
} shape;

typedef struct {
    ptrdiff_t first, end;
} span;

/* Rounds down without the C library, which the code can then do without. */
static double floor_of(double value) {
    double whole = (double)(int64_t)value;
    return whole > value ? whole - 1 : whole;
}

static double ceil_of(double value) { return -floor_of(-value); }

static double clipped(double value, double low, double high) {
    return value > low ? (value < high ? value : high) : low; /* low if it is no number */
}

/* Rows or columns of a part whose centres come at or after a place, which may be anywhere. */
static ptrdiff_t first_centre(double place, ptrdiff_t low, ptrdiff_t high) {
    return (ptrdiff_t)ceil_of(clipped(place, (double)low - 1, (double)high + 1) - 0.5);
}

static ptrdiff_t within(ptrdiff_t value, ptrdiff_t low, ptrdiff_t high) {
    return value < low ? low : value > high ? high : value;
}

/* Centres of a part between the lowest and the highest vertex along an axis (0: x, 1: y), and some
   more where edges may reach by rounding. */
static span extent(shape s, int axis, span part, ptrdiff_t more) {
    double low = s.starts[2 * s.first + axis], high = low;
    for (int64_t i = s.first; i < s.end; i++) {
        double a = s.starts[2 * i + axis], b = s.ends[2 * i + axis];
        low = a < low ? a : low;
        low = b < low ? b : low;
        high = a > high ? a : high;
        high = b > high ? b : high;
    }
    return (span){
        within(first_centre(low, part.first, part.end) - more, part.first, part.end),
        within(first_centre(high, part.first, part.end) + more, part.first, part.end)};
}

static void toggle_edges(shape s, span rows, span cols, uint64_t *bits, ptrdiff_t words) {
    for (int64_t i = s.first; i < s.end; i++) {
        const double *a = s.starts + 2 * i, *b = s.ends + 2 * i;
        const double *upper = a[1] <= b[1] ? a : b, *lower = a[1] <= b[1] ? b : a;
        /* An edge crosses the centre lines in [upper y, lower y), so vertices count once. */
        ptrdiff_t row = within(first_centre(upper[1], rows.first, rows.end), rows.first, rows.end);
        ptrdiff_t end = within(first_centre(lower[1], rows.first, rows.end), rows.first, rows.end);
        double run = lower[0] - upper[0], rise = lower[1] - upper[1];
        for (; row < end; row++) {
            double x = upper[0] + ((double)row + 0.5 - upper[1]) / rise * run;
            ptrdiff_t col = within(first_centre(x, cols.first, cols.end), cols.first, cols.end);
            ptrdiff_t at = col - cols.first;
            bits[(row - rows.first) * words + at / BITS] ^= (uint64_t)1 << at % BITS;
        }
    }
}

/* Fills from every odd toggle of a row to the one after it, and clears the bits. Rings are closed,
   so that toggles come in pairs; those beyond the part's right end are at the end. */
static void fill_row(uint8_t *row, uint8_t value, uint64_t *bits, ptrdiff_t words) {
    ptrdiff_t begin = -1;
    for (ptrdiff_t word = 0; word < words; word++) {
        uint64_t left = bits[word];
        bits[word] = 0;
        for (; left; left &= left - 1) {
            ptrdiff_t at = word * BITS + __builtin_ctzll(left);
            if (begin < 0) {
                begin = at;
            } else {
                memset(row + begin, value, (size_t)(at - begin));
                begin = -1;
            }
        }
    }
}

static void fill_shape(
    uint8_t *mask, ptrdiff_t stride, span rows, span cols, shape s, uint8_t value,
    uint64_t *bits, ptrdiff_t num_words) {
    span shape_rows = extent(s, 1, rows, 0), shape_cols = extent(s, 0, cols, 1);
    ptrdiff_t width = shape_cols.end - shape_cols.first;
    if (!width || shape_rows.first == shape_rows.end) return;
    ptrdiff_t words = width / BITS + 1, most_rows = num_words / words;
    for (ptrdiff_t top = shape_rows.first; top < shape_rows.end; top += most_rows) {
        span band = {top, within(top + most_rows, top, shape_rows.end)};
        toggle_edges(s, band, shape_cols, bits, words);
        for (ptrdiff_t row = band.first; row < band.end; row++)
            fill_row(
                mask + (row - rows.first) * stride + (shape_cols.first - cols.first), value,
                bits + (row - band.first) * words, words);
    }
}

/* `bits` are num_words zeros, and zeros again afterwards; at least width / 64 + 1. */
void dfaseg_fill(
    uint8_t *mask, ptrdiff_t stride, ptrdiff_t top, ptrdiff_t left, ptrdiff_t height,
    ptrdiff_t width, const double *starts, const double *ends, const int64_t *bounds,
    const int16_t *values, ptrdiff_t num_shapes, uint64_t *bits, ptrdiff_t num_words) {
    span rows = {top, top + height}, cols = {left, left + width};
    for (ptrdiff_t i = 0; i < num_shapes; i++) {
        shape s = {starts, ends, bounds[i], bounds[i + 1]};
        if (values[i] >= 0 && s.first < s.end)
            fill_shape(mask, stride, rows, cols, s, (uint8_t)values[i], bits, num_words);
    }
}
