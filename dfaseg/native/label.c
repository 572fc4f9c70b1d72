/* From rows of logits at the network's stride to labels at full resolution.

   Called through dfaseg/native/label.py, which says what the arguments must be. The rules are those
   of dfaseg/stitcher/labels.py: argmax of the bilinearly interpolated logits, the lowest class
   winning a tie, 255 in cells that are not covered, which count as 0 for every class. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { IGNORED = 255 };

#define ALWAYS_INLINE static inline __attribute__((always_inline))

/* Rows of cells: planes of logits, one per class, and a byte per cell that says if it is covered. */
typedef struct {
    const float *logits;
    ptrdiff_t plane, row;
    const uint8_t *covered;
    ptrdiff_t covered_row;
    ptrdiff_t num_classes, width;
} cells;

ALWAYS_INLINE void take_winners(
    float *restrict best, int32_t *restrict winner, const float *restrict values, int32_t index,
    ptrdiff_t n) {
    for (ptrdiff_t i = 0; i < n; i++) {
        winner[i] = values[i] > best[i] ? index : winner[i];
        best[i] = values[i] > best[i] ? values[i] : best[i];
    }
}

/* The class of each cell of a row; `best` and `winner` are scratch of the row's width. */
static void classify_row(cells c, ptrdiff_t row, uint8_t *classes, float *best, int32_t *winner) {
    const uint8_t *covered = c.covered + row * c.covered_row;
    ptrdiff_t first = 0, end = c.width;
    while (first < end && !covered[first]) first++; /* glass beside the tissue */
    while (end > first && !covered[end - 1]) end--;
    memset(classes, IGNORED, (size_t)c.width);
    const float *logits = c.logits + row * c.row + first;
    ptrdiff_t n = end - first;
    memcpy(best, logits, (size_t)n * sizeof *best);
    memset(winner, 0, (size_t)n * sizeof *winner);
    for (ptrdiff_t k = 1; k < c.num_classes; k++)
        take_winners(best, winner, logits + k * c.plane, (int32_t)k, n);
    for (ptrdiff_t i = 0; i < n; i++)
        if (covered[first + i]) classes[first + i] = (uint8_t)winner[i];
}

/* The same with the outermost cells repeated on either side. */
static void classify_padded(cells c, ptrdiff_t row, uint8_t *classes, float *best, int32_t *winner) {
    classify_row(c, row, classes + 1, best, winner);
    classes[0] = classes[1];
    classes[c.width + 1] = classes[c.width];
}

/* Pixels of one line, each with its cell's class; the line begins in the middle of a cell. */
static void write_nearest(uint8_t *line, const uint8_t *classes, ptrdiff_t n, ptrdiff_t stride) {
    ptrdiff_t first = 0;
    for (ptrdiff_t i = 1; i <= n; i++) {
        if (i < n && classes[i] == classes[first]) continue;
        ptrdiff_t from = first ? first * stride - stride / 2 : 0;
        ptrdiff_t to = i < n ? i * stride - stride / 2 : (n - 1) * stride;
        memset(line + from, classes[first], (size_t)(to - from));
        first = i;
    }
}

/* Inlined, so that where the stride is a number, loops over a square's pixels become vectors. */
ALWAYS_INLINE void interpolate(
    float *restrict out, float *restrict lines, const float corners[4],
    const float *restrict near, const float *restrict far, ptrdiff_t stride) {
    float *restrict top = lines, *restrict bottom = lines + stride;
    for (ptrdiff_t x = 0; x < stride; x++) {
        top[x] = near[x] * corners[0] + far[x] * corners[1];
        bottom[x] = near[x] * corners[2] + far[x] * corners[3];
    }
    for (ptrdiff_t y = 0; y < stride; y++)
        for (ptrdiff_t x = 0; x < stride; x++)
            out[y * stride + x] = near[y] * top[x] + far[y] * bottom[x];
}

ALWAYS_INLINE void label_square(
    cells c, ptrdiff_t row, ptrdiff_t col, const float *near, const float *far, ptrdiff_t stride,
    uint8_t *labels, ptrdiff_t labels_row, float *best, int32_t *winner) {
    ptrdiff_t left = col ? col - 1 : 0, right = col < c.width ? col : c.width - 1;
    const uint8_t *above = c.covered + row * c.covered_row, *below = above + c.covered_row;
    int covered[4] = {above[left], above[right], below[left], below[right]};
    const float *upper = c.logits + row * c.row, *lower = upper + c.row;
    float *values = best + stride * stride, *lines = values + stride * stride;
    memset(winner, 0, (size_t)(stride * stride) * sizeof *winner);
    for (int32_t k = 0; k < c.num_classes; k++, upper += c.plane, lower += c.plane) {
        const float corners[4] = {
            covered[0] ? upper[left] : 0, covered[1] ? upper[right] : 0,
            covered[2] ? lower[left] : 0, covered[3] ? lower[right] : 0};
        interpolate(k ? values : best, lines, corners, near, far, stride);
        if (k) take_winners(best, winner, values, k, stride * stride);
    }
    for (ptrdiff_t y = 0; y < stride; y++)
        for (ptrdiff_t x = 0; x < stride; x++)
            labels[y * labels_row + x] = covered[2 * (y >= stride / 2) + (x >= stride / 2)]
                ? (uint8_t)winner[y * stride + x] : IGNORED;
}

static void label_any_square(
    cells c, ptrdiff_t row, ptrdiff_t col, const float *near, const float *far, ptrdiff_t stride,
    uint8_t *labels, ptrdiff_t labels_row, float *best, int32_t *winner) {
    switch (stride) {
        case 4:
            label_square(c, row, col, near, far, 4, labels, labels_row, best, winner);
            break;
        case 8:
            label_square(c, row, col, near, far, 8, labels, labels_row, best, winner);
            break;
        case 16:
            label_square(c, row, col, near, far, 16, labels, labels_row, best, winner);
            break;
        default:
            label_square(c, row, col, near, far, stride, labels, labels_row, best, winner);
    }
}

/* `best` and `winner` have room for a row of cells each, `classes` for all. */
void dfaseg_classify(
    const float *logits, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t num_classes,
    const uint8_t *covered, ptrdiff_t covered_row, ptrdiff_t num_rows, ptrdiff_t width,
    uint8_t *classes, float *best, int32_t *winner) {
    cells c = {logits, plane, row, covered, covered_row, num_classes, width};
    for (ptrdiff_t i = 0; i < num_rows; i++)
        classify_row(c, i, classes + i * width, best, winner);
}

/* Labels the squares between num_rows rows of cell centres: (num_rows - 1) * stride lines of
   (width + 1) * stride pixels. `classes` has room for two rows of width + 2; `floats` and `ints` for
   a row of cells or 2 * stride * (stride + 1), whichever is more. */
void dfaseg_label(
    const float *logits, ptrdiff_t plane, ptrdiff_t row, ptrdiff_t num_classes,
    const uint8_t *covered, ptrdiff_t covered_row, ptrdiff_t num_rows, ptrdiff_t width,
    ptrdiff_t stride, const float *near, const float *far, uint8_t *labels, ptrdiff_t labels_row,
    uint8_t *classes, float *floats, int32_t *ints) {
    cells c = {logits, plane, row, covered, covered_row, num_classes, width};
    uint8_t *above = classes, *below = classes + width + 2;
    classify_padded(c, 0, above, floats, ints);
    for (ptrdiff_t i = 0; i + 1 < num_rows; i++, labels += stride * labels_row) {
        classify_padded(c, i + 1, below, floats, ints);
        ptrdiff_t half = stride / 2 * labels_row, length = (width + 1) * stride;
        write_nearest(labels, above, width + 2, stride);
        write_nearest(labels + half, below, width + 2, stride);
        for (ptrdiff_t y = 1; y < stride / 2; y++) {
            memcpy(labels + y * labels_row, labels, (size_t)length);
            memcpy(labels + half + y * labels_row, labels + half, (size_t)length);
        }
        for (ptrdiff_t j = 0; j <= width; j++)
            if (above[j] != above[j + 1] || below[j] != below[j + 1] || above[j] != below[j])
                label_any_square(
                    c, i, j, near, far, stride, labels + j * stride, labels_row, floats, ints);
        uint8_t *swap = above;
        above = below, below = swap;
    }
}
