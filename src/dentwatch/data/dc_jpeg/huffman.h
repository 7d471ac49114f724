/* Tables that make a Huffman code (ITU T.81, annexes C and F.2.2.3) quick to read. */

#ifndef DENTWATCH_HUFFMAN_H
#define DENTWATCH_HUFFMAN_H

#include "header.h"

enum {
    WINDOW = 12, /* bits that a table is asked with */
    SYMBOL_WINDOW = 9,
    MOST_BITS = 18, /* that an entry skips: three entries are fewer than the 56 that one look ahead gives */
};

/* One code at a time: by the next 9 bits for what is short, by the first code of each length for what is not. */
typedef struct {
    uint16_t quick[1 << SYMBOL_WINDOW]; /* length << 8 | symbol; 0: the code is longer, or there is none */
    uint32_t limit[17];                 /* of 16 bits: those below limit[n] begin with a code of n bits or fewer */
    int32_t first[17];                  /* what to add to a code of n bits to have its symbol's place */
    uint8_t symbols[256];
} SymbolTable;

/*
 * Several AC codes at a time, values included, by the next 12 bits: bits to skip | coefficients to skip << 6, where a
 * code that ends the block counts as END_OF_BLOCK coefficients. ONE_BY_ONE: the symbols are to be asked for. (Six bits,
 * because a shift by the entry itself needs no masking then: processors take the lowest six.)
 */
typedef struct {
    uint16_t skip[1 << WINDOW];
    SymbolTable symbol;
} SkipTable;

enum { LAST_COEFFICIENT = 63, END_OF_BLOCK = 128, ONE_BY_ONE = 64 << 6, RUN_OF_16 = 0xf0 };

/* Both are false for a code that libjpeg would refuse; a DC code is also refused for sizes that no baseline JPEG has. */
bool symbol_table_of_dc(SymbolTable *table, const HuffmanCode *code);
bool skip_table_of_ac(SkipTable *table, const HuffmanCode *code);

/* Length << 8 | symbol of the code that the 16 bits `next` begin with; 0: none does. */
static inline unsigned symbol_of(const SymbolTable *table, uint32_t next) {
    unsigned found = table->quick[next >> (16 - SYMBOL_WINDOW)];
    if (found) return found;
    int length = SYMBOL_WINDOW + 1;
    while (length < 17 && next >= table->limit[length]) length++;
    if (length == 17) return 0;
    return (unsigned)length << 8 | table->symbols[(int32_t)(next >> (16 - length)) + table->first[length]];
}

#endif
