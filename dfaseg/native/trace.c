/* Borders of the regions in a strip of mask rows: their horizontal edges, and which follows which.

   Called through dfaseg/native/trace.py, which says what the arguments must be. Borders run along
   cracks, the edges between two pixels of unequal class, with their region on the right-hand side
   of a walker on the screen (y points down). A lattice vertex has four pixels around it:

       A | B
       --+--
       C | D

   A convex corner belongs to one of these pixels, which differs from both its neighbours; a
   concave one to the other three, which are equal. Equal pixels that meet only diagonally keep
   corners of their own, which makes regions 4-connected. Read from left to right and from top to
   bottom, the corners of each line and side (region above or below) come in pairs, the left and
   the right end of an edge, and those of each column and direction (up or down) too, its top and
   its bottom. So no border is ever followed pixel by pixel. */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { IGNORED = 255, OPEN = -1, LANES = 8 };
enum { A, B, C, D };
enum { ABOVE, BELOW };

/* The kind of a corner is the sum of these. */
enum {
    IS_LEFT_END = 1, /* its horizontal crack runs to the right */
    IS_LOW = 2,      /* its vertical crack runs down */
    IS_UP = 4,       /* that is walked upwards */
    IS_BELOW = 8     /* the region lies below the horizontal crack */
};
/* That of the corner beside a pixel, of the pixel itself or of the other three. */
#define KIND(pixel, is_concave)                            \
    ((pixel) | (((pixel) & 1) != (is_concave) ? IS_UP : 0) \
     | (((pixel) >= C) != (is_concave) ? IS_BELOW : 0))

#define ALWAYS_INLINE static inline __attribute__((always_inline))

typedef struct {
    const int32_t *columns; /* the mask's lattice column of each vertex */
    int32_t *column[2];     /* nodes that borders run down from, and up to, in each column */
    int32_t *edges, *following;
    uint8_t *is_top;
    int32_t *same_begin, *same_end, *contacts;
    ptrdiff_t num_nodes, num_same_begin, num_same_end, num_contacts;
    /* The line that is read. */
    const uint8_t *upper;
    int32_t y;
    int32_t open[2]; /* the edge that is begun, by side */
    int falls[2];    /* whether its border leaves it downwards at its left end */
    int32_t contact; /* the node on the left of the edge that is begun above the line */
    ptrdiff_t searched, last_crack; /* cracks above the line were sought so far; the last one */
    ptrdiff_t last_turn; /* the last one at which a border turns, and what ran up to there */
    int32_t last_risen;
} tracer;

/* Whether a border turns at each vertex, 0 or 1. */
static void find_turns(
    const uint8_t *restrict upper, const uint8_t *restrict lower, uint8_t *restrict turns,
    ptrdiff_t n) {
    for (ptrdiff_t x = 0; x < n; x++) {
        uint8_t vertical = (upper[x] != upper[x + 1]) | (lower[x] != lower[x + 1]);
        uint8_t horizontal = (upper[x] != lower[x]) | (upper[x + 1] != lower[x + 1]);
        turns[x] = vertical & horizontal;
    }
}

/* How many edges have their left end at each vertex. */
static void find_left_ends(
    const uint8_t *restrict upper, const uint8_t *restrict lower, uint8_t *restrict ends,
    ptrdiff_t n) {
    for (ptrdiff_t x = 0; x < n; x++) {
        uint8_t a = upper[x], b = upper[x + 1], c = lower[x], d = lower[x + 1];
        uint8_t left = a != c, right = b != d, goes_on_above = a == b, goes_on_below = c == d;
        uint8_t above = b != IGNORED, below = d != IGNORED;
        above &= right & (1 ^ (left & goes_on_above));
        below &= right & (1 ^ (left & goes_on_below));
        ends[x] = above + below;
    }
}

/* The node that the border on the left of the pixels above a vertex leads up to. */
static int32_t risen_on_the_left(tracer *t, ptrdiff_t x) {
    ptrdiff_t found = x;
    while (found > t->searched && t->upper[found] == t->upper[found + 1]) found--;
    if (found > t->searched) t->last_crack = found;
    t->searched = x;
    /* Where it turns on this line, another may have taken its place by now. */
    return t->last_crack == t->last_turn ? t->last_risen : t->column[1][t->last_crack];
}

/* Adds a corner of a kind; returns the node of its edge. Inlined, so that kinds are numbers. */
ALWAYS_INLINE int32_t add_corner(tracer *t, ptrdiff_t x, int kind) {
    int side = kind & IS_BELOW ? BELOW : ABOVE, is_up = kind & IS_UP ? 1 : 0;
    int is_low = kind & IS_LOW ? 1 : 0;
    int32_t node, *other = t->column[is_up] + x;
    if (kind & IS_LEFT_END) {
        node = t->open[side] = (int32_t)t->num_nodes++;
        int32_t *edge = t->edges + 4 * (ptrdiff_t)node;
        edge[side == BELOW ? 0 : 2] = t->columns[x];
        edge[1] = edge[3] = t->y;
        t->following[node] = OPEN;
        t->falls[side] = is_low;
        if (side == ABOVE && is_low) t->contact = risen_on_the_left(t, x);
    } else {
        node = t->open[side];
        t->edges[4 * (ptrdiff_t)node + (side == BELOW ? 2 : 0)] = t->columns[x];
        int is_top = is_low & t->falls[side];
        t->is_top[node] = (uint8_t)is_top;
        if (is_top && side == ABOVE) {
            int32_t *contact = t->contacts + 2 * t->num_contacts++;
            contact[0] = node;
            contact[1] = t->contact;
        }
    }
    if (is_low) {
        *other = node;
        return node;
    }
    if (is_up)
        t->following[node] = *other;
    else if (*other != OPEN)
        t->following[*other] = node;
    *other = OPEN;
    return node;
}

static int32_t add_corner_of(tracer *t, ptrdiff_t x, int kind) {
    switch (kind) {
        case KIND(A, 0): return add_corner(t, x, KIND(A, 0));
        case KIND(B, 0): return add_corner(t, x, KIND(B, 0));
        case KIND(C, 0): return add_corner(t, x, KIND(C, 0));
        case KIND(D, 0): return add_corner(t, x, KIND(D, 0));
        case KIND(A, 1): return add_corner(t, x, KIND(A, 1));
        case KIND(B, 1): return add_corner(t, x, KIND(B, 1));
        case KIND(C, 1): return add_corner(t, x, KIND(C, 1));
        default: return add_corner(t, x, KIND(D, 1));
    }
}

static void add_pair(int32_t *pairs, ptrdiff_t *count, int32_t one, int32_t other) {
    pairs[2 * *count] = one;
    pairs[2 * *count + 1] = other;
    ++*count;
}

/* Adds all corners at a vertex: those that end what comes from above and from the left first. */
static void add_corners(tracer *t, const uint8_t *lower, ptrdiff_t x) {
    uint8_t pixels[4] = {t->upper[x], t->upper[x + 1], lower[x], lower[x + 1]};
    int vertical[2] = {pixels[A] != pixels[B], pixels[C] != pixels[D]};
    int horizontal[2] = {pixels[A] != pixels[C], pixels[B] != pixels[D]};
    int32_t nodes[4] = {OPEN, OPEN, OPEN, OPEN};
    if (vertical[0]) {
        t->last_turn = x;
        t->last_risen = t->column[1][x];
    }
    for (int pixel = A; pixel <= D; pixel++) {
        if (!(vertical[pixel >> 1] & horizontal[pixel & 1])) continue;
        if (pixels[pixel] != IGNORED) nodes[pixel] = add_corner_of(t, x, KIND(pixel, 0));
        int opposite = D - pixel;
        if (!(vertical[opposite >> 1] | horizontal[opposite & 1]) && pixels[opposite] != IGNORED)
            add_corner_of(t, x, KIND(pixel, 1));
    }
    if (!(vertical[0] & vertical[1] & horizontal[0] & horizontal[1])) return;
    if (pixels[A] == pixels[D] && pixels[A] != IGNORED)
        add_pair(t->same_begin, &t->num_same_begin, nodes[A], nodes[D]);
    if (pixels[B] == pixels[C] && pixels[B] != IGNORED)
        add_pair(t->same_end, &t->num_same_end, nodes[B], nodes[C]);
}

/* `ends` has room for `stride` bytes, rounded up to whole lanes, as `turns` below. */
void dfaseg_count_edges(
    const uint8_t *pixels, ptrdiff_t num_rows, ptrdiff_t stride, uint8_t *ends, int64_t *count) {
    ptrdiff_t lanes = (stride + LANES - 1) / LANES;
    memset(ends, 0, (size_t)(lanes * LANES));
    *count = 0;
    for (ptrdiff_t row = 0; row + 1 < num_rows; row++) {
        const uint8_t *upper = pixels + row * stride;
        find_left_ends(upper, upper + stride, ends, stride - 1);
        for (ptrdiff_t lane = 0; lane < lanes; lane++) {
            uint64_t some;
            memcpy(&some, ends + lane * LANES, LANES);
            *count += (int64_t)(some * 0x0101010101010101u >> 56); /* the sum of its bytes */
        }
    }
}

void dfaseg_find_edges(
    const uint8_t *pixels, ptrdiff_t num_rows, ptrdiff_t stride, const int32_t *columns,
    ptrdiff_t first_line, ptrdiff_t num_frontier, int32_t *down, int32_t *up, int32_t *edges,
    int32_t *following, uint8_t *is_top, int32_t *same_begin, int32_t *same_end,
    int32_t *contacts, uint8_t *turns, int64_t *counts) {
    tracer t = {
        .columns = columns, .column = {down, up}, .edges = edges, .following = following,
        .is_top = is_top, .same_begin = same_begin, .same_end = same_end, .contacts = contacts,
        .num_nodes = num_frontier};
    ptrdiff_t lanes = (stride + LANES - 1) / LANES;
    memset(turns, 0, (size_t)(lanes * LANES));
    for (ptrdiff_t line = 0; line + 1 < num_rows; line++) {
        const uint8_t *upper = pixels + line * stride, *lower = upper + stride;
        find_turns(upper, lower, turns, stride - 1);
        t.upper = upper;
        t.y = (int32_t)(first_line + line);
        t.searched = t.last_crack = t.last_turn = -1;
        for (ptrdiff_t lane = 0; lane < lanes; lane++) {
            uint64_t left;
            memcpy(&left, turns + lane * LANES, LANES);
            for (; left; left &= left - 1)
                add_corners(&t, lower, lane * LANES + __builtin_ctzll(left) / 8);
        }
    }
    counts[0] = t.num_same_begin;
    counts[1] = t.num_same_end;
    counts[2] = t.num_contacts;
}

/* Chains of nodes, each from the first of its starters on to its end; `chain_of_node` is -1. */
void dfaseg_order_nodes(
    const int32_t *following, const ptrdiff_t *starters, ptrdiff_t num_starters,
    ptrdiff_t *nodes, ptrdiff_t *starts, int32_t *chain_of_node, int64_t *num_chains) {
    ptrdiff_t num_nodes = 0;
    int32_t chain = 0;
    for (ptrdiff_t i = 0; i < num_starters; i++) {
        ptrdiff_t node = starters[i];
        if (chain_of_node[node] != OPEN) continue;
        starts[chain] = num_nodes;
        for (; node != OPEN && chain_of_node[node] == OPEN; node = following[node]) {
            chain_of_node[node] = chain;
            nodes[num_nodes++] = node;
        }
        chain++;
    }
    *num_chains = chain;
}

static int32_t root_of(int32_t *parents, int32_t node) {
    while (parents[node] != node) node = parents[node] = parents[parents[node]];
    return node;
}

/* The number of each node's part, by its first node; `parts` need not be filled. */
void dfaseg_connect(
    const int32_t *pairs, ptrdiff_t num_pairs, int32_t *parts, ptrdiff_t num_nodes,
    int64_t *num_parts) {
    for (int32_t node = 0; node < num_nodes; node++) parts[node] = node;
    for (ptrdiff_t i = 0; i < num_pairs; i++) {
        int32_t one = root_of(parts, pairs[2 * i]), other = root_of(parts, pairs[2 * i + 1]);
        if (one < other)
            parts[other] = one;
        else
            parts[one] = other;
    }
    /* What a node leads to comes before it, and has the number of the part by then. */
    int32_t count = 0;
    for (int32_t node = 0; node < num_nodes; node++)
        parts[node] = parts[node] == node ? count++ : parts[parts[node]];
    *num_parts = count;
}
