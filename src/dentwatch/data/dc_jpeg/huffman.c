#include "huffman.h"

#include <string.h>

enum { MOST_BITS_OF_DC = 11 };

/* Codes of one length follow each other, and the first of the next length is twice what comes then (T.81, C.2). */
static bool lay_out(SymbolTable *table, const HuffmanCode *code) {
    memset(table, 0, sizeof *table);
    memcpy(table->symbols, code->symbols, sizeof table->symbols);
    uint32_t next = 0;
    int place = 0;
    for (int length = 1; length <= 16; length++) {
        int count = code->counts[length - 1];
        table->first[length] = place - (int32_t)next;
        for (int i = 0; i < count && length <= SYMBOL_WINDOW; i++) {
            if (next + (uint32_t)i >= 1u << length) return false;
            uint32_t width = 1u << (SYMBOL_WINDOW - length), from = (next + (uint32_t)i) * width;
            for (uint32_t j = 0; j < width; j++)
                table->quick[from + j] = (uint16_t)(length << 8 | code->symbols[place + i]);
        }
        next += (uint32_t)count;
        place += count;
        if (count && next >= 1u << length) return false; /* no code consists of ones alone */
        table->limit[length] = next << (16 - length);
        next <<= 1;
    }
    return true;
}

bool symbol_table_of_dc(SymbolTable *table, const HuffmanCode *code) {
    int total = 0;
    for (int i = 0; i < 16; i++) total += code->counts[i];
    for (int i = 0; i < total; i++)
        if (code->symbols[i] > MOST_BITS_OF_DC) return false;
    return lay_out(table, code);
}

/* What the codes at the beginning of `window` skip, as far as they are in it whole. Their values need not be. */
static uint16_t skip_of(const SymbolTable *table, uint32_t window) {
    unsigned bits = 0, coefficients = 0;
    while (bits < WINDOW) {
        unsigned found = symbol_of(table, window << (16 - WINDOW) << bits & 0xffff);
        unsigned length = found >> 8, symbol = found & 255, size = symbol & 15;
        if (!found || bits + length > WINDOW) break;
        if (symbol == 0) return (uint16_t)((bits + length) | (coefficients + END_OF_BLOCK) << 6);
        if (size == 0 && symbol != RUN_OF_16) break;
        unsigned step = (symbol >> 4) + 1;
        if (coefficients + step > LAST_COEFFICIENT || bits + length + size > MOST_BITS) break;
        bits += length + size;
        coefficients += step;
    }
    return bits ? (uint16_t)(bits | coefficients << 6) : ONE_BY_ONE;
}

bool skip_table_of_ac(SkipTable *table, const HuffmanCode *code) {
    if (!lay_out(&table->symbol, code)) return false;
    for (uint32_t window = 0; window < 1u << WINDOW; window++) table->skip[window] = skip_of(&table->symbol, window);
    return true;
}
