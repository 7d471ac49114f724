#include "header.h"

#include <string.h>

enum { SOF0 = 0xc0, SOF1 = 0xc1, DHT = 0xc4, SOI = 0xd8, SOS = 0xda, DQT = 0xdb, DRI = 0xdd };
enum { APP0 = 0xe0, APP14 = 0xee, APP15 = 0xef, COM = 0xfe };
enum { BLOCK = 64, LONGEST_SIDE = 65500, MOST_QUANTUM = 32767 };
enum { ADOBE_YCBCR = 1 };

/* The content of a segment, behind its length. */
typedef struct {
    const uint8_t *at, *end;
} Segment;

static size_t left(const Segment *segment) { return (size_t)(segment->end - segment->at); }

static unsigned two_bytes(const uint8_t *at) { return (unsigned)at[0] << 8 | at[1]; }

static bool read_frame(Header *header, Segment frame) {
    if (header->components || left(&frame) < 6 || frame.at[0] != 8) return false;
    header->height = (int)two_bytes(frame.at + 1);
    header->width = (int)two_bytes(frame.at + 3);
    header->components = frame.at[5];
    if (header->components != 1 && header->components != 3) return false;
    if (left(&frame) != 6 + 3 * (size_t)header->components) return false;
    for (int i = 0; i < header->components; i++) {
        const uint8_t *said = frame.at + 6 + 3 * i;
        header->component[i] =
            (Component){.id = said[0], .across = said[1] >> 4, .down = said[1] & 15, .quantiser = said[2]};
        if (said[2] >= TABLES) return false;
    }
    return header->width > 0 && header->height > 0 && header->width <= LONGEST_SIDE && header->height <= LONGEST_SIDE;
}

/* Brightness in full, and both colour differences alike: in full, at a half or at a quarter, each way. */
static bool is_sampled_as_photos_are(const Header *header) {
    int blocks = 0;
    for (int i = 0; i < header->components; i++) {
        const Component *whole = &header->component[0], *part = &header->component[i];
        if (part->across < 1 || part->across > 4 || part->down < 1 || part->down > 4) return false;
        if (whole->across % part->across || whole->down % part->down) return false;
        if (whole->across / part->across == 3 || whole->down / part->down == 3) return false;
        if (i == 2 && (part->across != header->component[1].across || part->down != header->component[1].down))
            return false;
        blocks += part->across * part->down;
    }
    return header->components == 1 || blocks <= MOST_BLOCKS_IN_UNIT;
}

/* libjpeg takes three components of these names for RGB when no other segment says what they are. */
static bool is_named_rgb(const Header *header) {
    const Component *of = header->component;
    return header->components == 3 && of[0].id == 'R' && of[1].id == 'G' && of[2].id == 'B';
}

static bool read_codes(Header *header, Segment codes) {
    while (left(&codes) >= 17) {
        unsigned kind = codes.at[0] >> 4, number = codes.at[0] & 15, total = 0;
        if (kind > 1 || number >= TABLES) return false;
        HuffmanCode *code = kind ? &header->ac[number] : &header->dc[number];
        memset(code, 0, sizeof *code);
        memcpy(code->counts, codes.at + 1, 16);
        for (int i = 0; i < 16; i++) total += code->counts[i];
        codes.at += 17;
        if (total > 256 || total > left(&codes)) return false;
        memcpy(code->symbols, codes.at, total);
        code->defined = true;
        codes.at += total;
    }
    return left(&codes) == 0;
}

static bool read_quantisers(Header *header, Segment tables) {
    while (left(&tables)) {
        unsigned wide = tables.at[0] >> 4, number = tables.at[0] & 15;
        if (wide > 1 || number >= TABLES || left(&tables) < 1 + BLOCK * (1 + (size_t)wide)) return false;
        unsigned quantum = wide ? two_bytes(tables.at + 1) : tables.at[1];
        if (quantum == 0 || quantum > MOST_QUANTUM) return false;
        header->dc_quantum[number] = (int)quantum;
        tables.at += 1 + BLOCK * (1 + (size_t)wide);
    }
    return true;
}

static bool read_restart_interval(Header *header, Segment interval) {
    if (left(&interval) != 2) return false;
    header->restart_interval = two_bytes(interval.at);
    return true;
}

/* JFIF of a version that libjpeg warns about. */
static bool is_strange_jfif(Segment content) {
    return left(&content) >= 14 && !memcmp(content.at, "JFIF", 5) && content.at[5] != 1;
}

static bool is_other_than_ycbcr(Segment content) {
    return left(&content) >= 12 && !memcmp(content.at, "Adobe", 5) && content.at[11] != ADOBE_YCBCR;
}

/* The scan's segment, which is the header's last: all components, all coefficients, in full precision. */
static bool read_scan(Header *header, Segment scan) {
    int components = header->components;
    if (!components || left(&scan) != 4 + 2 * (size_t)components || scan.at[0] != components) return false;
    for (int i = 0; i < components; i++) {
        Component *component = &header->component[i];
        const uint8_t *said = scan.at + 1 + 2 * i;
        if (said[0] != component->id) return false;
        for (int j = 0; j < i; j++)
            if (header->component[j].id == component->id) return false;
        component->dc_code = said[1] >> 4;
        component->ac_code = said[1] & 15;
        if (component->dc_code >= TABLES || component->ac_code >= TABLES) return false;
        if (!header->dc[component->dc_code].defined || !header->ac[component->ac_code].defined) return false;
        if (!header->dc_quantum[component->quantiser]) return false;
    }
    static const uint8_t all_coefficients[3] = {0, BLOCK - 1, 0};
    return !memcmp(scan.end - 3, all_coefficients, 3) && is_sampled_as_photos_are(header) && !is_named_rgb(header);
}

static bool read_segment(Header *header, int marker, Segment content) {
    switch (marker) {
        case SOF0:
        case SOF1: return read_frame(header, content);
        case DHT: return read_codes(header, content);
        case DQT: return read_quantisers(header, content);
        case DRI: return read_restart_interval(header, content);
        case SOS: return read_scan(header, content);
        case APP0: return !is_strange_jfif(content);
        case APP14: return !is_other_than_ycbcr(content);
        default: return marker == COM || (marker > APP0 && marker <= APP15);
    }
}

bool header_read(Header *header, const uint8_t *data, size_t size) {
    memset(header, 0, sizeof *header);
    if (size < 2 || data[0] != 0xff || data[1] != SOI) return false;
    const uint8_t *at = data + 2, *end = data + size;
    for (;;) {
        if (end - at < 2 || at[0] != 0xff) return false;
        while (end - at > 1 && at[1] == 0xff) at++; /* fill bytes */
        if (end - at < 4) return false;
        int marker = at[1];
        size_t length = two_bytes(at + 2);
        if (length < 2 || length > (size_t)(end - at) - 2) return false;
        Segment content = {at + 4, at + 2 + length};
        if (!read_segment(header, marker, content)) return false;
        at = content.end;
        if (marker == SOS) {
            header->scan = at;
            return true;
        }
    }
}
