#include "scan.h"

enum { SIDE = 8, RST0 = 0xd0, EOI = 0xd9 };

/* One of the blocks that a unit (MCU) consists of, and where its next sample goes. */
typedef struct {
    const SymbolTable *dc;
    const SkipTable *ac;
    uint8_t *sample;
    int32_t quantum;
    int component, step;
} Block;

typedef struct {
    Block blocks[MOST_BLOCKS_IN_UNIT];
    int count, columns, rows; /* blocks in a unit; units in the picture */
    int32_t last[MOST_COMPONENTS];
    unsigned until_restart, restarts;
} Units;

static int divided_up(int whole, int part) { return (whole + part - 1) / part; }

/* The only component of a picture comes block by block, whatever its sampling factors are (T.81, A.2.2). */
static int across(const Header *header, int component) {
    return header->components == 1 ? 1 : header->component[component].across;
}

static int down(const Header *header, int component) {
    return header->components == 1 ? 1 : header->component[component].down;
}

static int units_across(const Header *header) { return divided_up(header->width, SIDE * across(header, 0)); }

static int units_down(const Header *header) { return divided_up(header->height, SIDE * down(header, 0)); }

size_t plane_layout(Plane *plane, const Header *header, int component) {
    plane->columns = divided_up(header->width * across(header, component), SIDE * across(header, 0));
    plane->rows = divided_up(header->height * down(header, component), SIDE * down(header, 0));
    plane->stride = (size_t)units_across(header) * (size_t)across(header, component);
    return plane->stride * (size_t)units_down(header) * (size_t)down(header, component);
}

static void lay_out_units(Units *units, Scan *scan, const Header *header) {
    *units = (Units){.columns = units_across(header), .rows = units_down(header)};
    units->until_restart = header->restart_interval;
    for (int i = 0; i < header->components; i++) {
        const Component *component = &header->component[i];
        for (int j = 0; j < across(header, i) * down(header, i); j++)
            units->blocks[units->count++] = (Block){
                .dc = &scan->dc[component->dc_code],
                .ac = &scan->ac[component->ac_code],
                .quantum = header->dc_quantum[component->quantiser],
                .component = i,
                .step = across(header, i),
            };
    }
}

/* Points the blocks at the samples of the first unit of a row. */
static void begin_row(Units *units, const Header *header, const Plane *planes, int row) {
    Block *block = units->blocks;
    for (int i = 0; i < header->components; i++)
        for (int y = 0; y < down(header, i); y++)
            for (int x = 0; x < across(header, i); x++, block++)
                block->sample = planes[i].samples + (size_t)(row * down(header, i) + y) * planes[i].stride + x;
}

/* The sample that libjpeg's 1 × 1 inverse DCT makes, also of values that no encoder writes. */
static inline uint8_t sample_of(int32_t coefficient) {
    int32_t value = ((coefficient + 4) >> 3) & 1023;
    if (value >= 512) return value < 896 ? 0 : (uint8_t)(value - 896);
    return value < 128 ? (uint8_t)(value + 128) : 255;
}

/* The difference to the last DC coefficient (T.81, F.2.2.1). False for bits that are no code. */
static inline __attribute__((always_inline)) bool read_dc(Ahead *ahead, const SymbolTable *table, int32_t *difference) {
    bits_fill(ahead);
    unsigned found = symbol_of(table, (uint32_t)(ahead->window >> 48));
    int size = (int)(found & 255);
    bits_take(ahead, (int)(found >> 8));
    int32_t value = (int32_t)(ahead->window >> 1 >> (63 - size));
    bits_take(ahead, size);
    bool negative = value < (1 << size) >> 1;
    *difference = negative ? value - (1 << size) + 1 : value;
    return found != 0;
}

/* One AC code by itself; returns how many coefficients it skips, 0 where it is none that baseline JPEGs contain. */
static inline __attribute__((always_inline)) unsigned skip_one(Ahead *ahead, const SkipTable *table) {
    unsigned found = symbol_of(&table->symbol, (uint32_t)(ahead->window >> 48));
    unsigned symbol = found & 255, size = symbol & 15;
    bits_take(ahead, (int)((found >> 8) + size));
    if (!found) return 0;
    if (symbol == 0) return END_OF_BLOCK;
    return size == 0 && symbol != RUN_OF_16 ? 0 : (symbol >> 4) + 1;
}

/* What skip_ac() has come to: coefficients done, and those that would be after the table's entry. */
typedef struct {
    unsigned done, entry, reached;
} Progress;

/* Skips what the table says is next, unless that reaches the block's end; whether it went on. */
static inline __attribute__((always_inline)) bool skip_entry(Ahead *ahead, const SkipTable *table, Progress *at) {
    at->entry = table->skip[ahead->window >> (64 - WINDOW)];
    at->reached = at->done + (at->entry >> 6);
    if (at->reached >= LAST_COEFFICIENT) return false;
    bits_take(ahead, (int)(at->entry & 63));
    at->done = at->reached;
    return true;
}

/* Skips a block's AC coefficients. False where there is something else. */
static inline __attribute__((always_inline)) bool skip_ac(Ahead *ahead, const SkipTable *table) {
    Progress at = {0};
    for (;;) {
        do bits_fill(ahead); /* lasts for three entries */
        while (skip_entry(ahead, table, &at) && skip_entry(ahead, table, &at) && skip_entry(ahead, table, &at));
        bits_fill(ahead);
        if (at.reached == LAST_COEFFICIENT ||
            (at.reached >= END_OF_BLOCK && at.reached < END_OF_BLOCK + LAST_COEFFICIENT)) {
            bits_take(ahead, (int)(at.entry & 63));
            return true;
        }
        /* The entry has none, or reaches over the block's end into what follows. */
        unsigned step = skip_one(ahead, table);
        if (step == END_OF_BLOCK) return true;
        at.done += step;
        if (!step || at.done > LAST_COEFFICIENT) return false;
        if (at.done == LAST_COEFFICIENT) return true;
    }
}

static bool read_unit(Bits *bits, Units *units) {
    Ahead ahead = bits->ahead; /* a copy, so that it stays in registers while samples are written */
    for (int i = 0; i < units->count; i++) {
        Block *block = &units->blocks[i];
        int32_t difference;
        if (!read_dc(&ahead, block->dc, &difference)) return false;
        int32_t coefficient = units->last[block->component] += difference;
        if (coefficient != (int16_t)coefficient) return false;
        *block->sample = sample_of(coefficient * block->quantum);
        block->sample += block->step;
        if (!skip_ac(&ahead, block->ac)) return false;
    }
    bits->ahead = ahead;
    return true;
}

/* After `restart_interval` units comes the next of eight markers, and everything begins anew (T.81, E.2.4). */
static bool restart_when_due(Bits *bits, Units *units, const Header *header) {
    if (!header->restart_interval || units->until_restart--) return true;
    if (bits_end(bits) != (int)(RST0 + units->restarts++ % 8)) return false;
    bits_begin(bits, bits->source, bits->end);
    units->until_restart = header->restart_interval - 1;
    for (int i = 0; i < MOST_COMPONENTS; i++) units->last[i] = 0;
    return true;
}

static bool make_tables(Scan *scan, const Header *header) {
    bool dc_made[TABLES] = {false}, ac_made[TABLES] = {false};
    for (int i = 0; i < header->components; i++) {
        int dc = header->component[i].dc_code, ac = header->component[i].ac_code;
        if (!dc_made[dc] && !symbol_table_of_dc(&scan->dc[dc], &header->dc[dc])) return false;
        if (!ac_made[ac] && !skip_table_of_ac(&scan->ac[ac], &header->ac[ac])) return false;
        dc_made[dc] = ac_made[ac] = true;
    }
    return true;
}

bool scan_read(Scan *scan, const Header *header, const uint8_t *end, Plane *planes) {
    if (!make_tables(scan, header)) return false;
    Units units;
    lay_out_units(&units, scan, header);
    Bits *bits = &scan->bits;
    bits_begin(bits, header->scan, end);
    for (int row = 0; row < units.rows; row++) {
        begin_row(&units, header, planes, row);
        for (int column = 0; column < units.columns; column++)
            if (!restart_when_due(bits, &units, header) || !bits_reserve(bits) || !read_unit(bits, &units))
                return false;
    }
    return bits_end(bits) == EOI;
}
