#include "bits.h"

#include <string.h>

void bits_begin(Bits *bits, const uint8_t *source, const uint8_t *end) {
    bits->ahead = (Ahead){.next = bits->buffer};
    bits->stop = bits->buffer;
    bits->source = source;
    bits->end = end;
    bits->complete = false;
}

/* Bits that are left; negative when more were taken. */
static ptrdiff_t bits_left(const Bits *bits) { return (bits->stop - bits->ahead.next) * 8 + bits->ahead.held; }

/* Copies data without its stuffed zeros into the buffer from `to` on, until that is full or a marker comes. */
static void unstuff(Bits *bits, uint8_t *to) {
    uint8_t *full = bits->buffer + BUFFER;
    while (to < full && !bits->complete) {
        size_t room = (size_t)(full - to), left = (size_t)(bits->end - bits->source), most = left < room ? left : room;
        const uint8_t *escape = memchr(bits->source, 0xff, most);
        size_t plain = escape ? (size_t)(escape - bits->source) : most;
        memcpy(to, bits->source, plain);
        to += plain;
        bits->source += plain;
        if (bits->end - bits->source < 2) {
            bits->complete = true; /* the file ends without a marker */
        } else if (escape && bits->source[1] == 0) {
            *to++ = 0xff;
            bits->source += 2;
        } else if (escape) {
            bits->complete = true;
        }
    }
    bits->stop = to;
}

bool bits_refill(Bits *bits) {
    if (bits->complete) return bits_left(bits) >= 0;
    size_t rest = (size_t)(bits->stop - bits->ahead.next);
    memmove(bits->buffer, bits->ahead.next, rest);
    bits->ahead.next = bits->buffer;
    unstuff(bits, bits->buffer + rest);
    if (bits->complete) memset(bits->stop, 0, MOST_BYTES_OF_UNIT);
    return true;
}

int bits_end(Bits *bits) {
    if (!bits->complete) bits_refill(bits);
    if (!bits->complete || bits_left(bits) < 0 || bits_left(bits) >= 8) return 0;
    const uint8_t *at = bits->source;
    if (bits->end - at < 2 || at[0] != 0xff) return 0;
    while (bits->end - at > 1 && at[1] == 0xff) at++; /* fill bytes */
    if (bits->end - at < 2) return 0;
    bits->source = at + 2;
    return at[1];
}
