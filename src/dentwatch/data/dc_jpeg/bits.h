/* The compressed data of a scan as a row of bits (ITU T.81, F.2.2.5), read through a small buffer. */

#ifndef DENTWATCH_BITS_H
#define DENTWATCH_BITS_H

#include "header.h"

enum {
    /* What a unit may take (27 bits for a DC coefficient, 31 for each AC one), and what is looked ahead. */
    MOST_BYTES_OF_UNIT = MOST_BLOCKS_IN_UNIT * (27 + 63 * 31) / 8 + 32,
    BUFFER = 32768,
};

/* Bits are taken from the top of `window`, of whose 64 bits `held` count. `next` points to the byte behind those. */
typedef struct {
    uint64_t window;
    int held;
    const uint8_t *next;
} Ahead;

/* The buffer holds the data without the zeros that are stuffed in behind each 0xff, up to `stop`. */
typedef struct {
    Ahead ahead;
    uint8_t *stop;
    const uint8_t *source, *end; /* in the file: what is not in the buffer yet */
    bool complete;               /* the buffer ends where the data ends, at a marker; only zeros follow */
    uint8_t buffer[BUFFER + MOST_BYTES_OF_UNIT];
} Bits;

/* Begins with the compressed data at `source`, of a file that ends at `end`. */
void bits_begin(Bits *bits, const uint8_t *source, const uint8_t *end);

/* Gets more data into the buffer. False when more bits were taken than there are. */
bool bits_refill(Bits *bits);

/*
 * Ends a piece of compressed data at the marker that follows it, and returns that; 0 when no marker follows, and when
 * bits are lacking or a byte and more is left over. The source is behind the marker then.
 */
int bits_end(Bits *bits);

/* Before each unit: that its bits can be taken without looking at the end of the buffer again. */
static inline bool bits_reserve(Bits *bits) {
    return bits->stop - bits->ahead.next >= MOST_BYTES_OF_UNIT || bits_refill(bits);
}

/* Makes the window hold at least 56 bits (Giesen, "Reading bits in far too many ways", variant 4). */
static inline __attribute__((always_inline)) void bits_fill(Ahead *ahead) {
    const uint8_t *p = ahead->next;
    uint64_t coming = (uint64_t)p[0] << 56 | (uint64_t)p[1] << 48 | (uint64_t)p[2] << 40 | (uint64_t)p[3] << 32 |
                     (uint64_t)p[4] << 24 | (uint64_t)p[5] << 16 | (uint64_t)p[6] << 8 | p[7];
    ahead->window |= coming >> ahead->held;
    ahead->next += (63 - ahead->held) >> 3;
    ahead->held |= 56;
}

static inline __attribute__((always_inline)) void bits_take(Ahead *ahead, int count) {
    ahead->window <<= count;
    ahead->held -= count;
}

#endif
