/* What a JPEG file says about itself before its compressed data (ITU T.81, annex B). */

#ifndef DENTWATCH_HEADER_H
#define DENTWATCH_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MOST_COMPONENTS = 3, MOST_BLOCKS_IN_UNIT = 10, TABLES = 4 };

/* A Huffman code as the file describes it: how many codes there are of 1 to 16 bits, and their symbols in order. */
typedef struct {
    uint8_t counts[16];
    uint8_t symbols[256];
    bool defined;
} HuffmanCode;

/* Brightness or one of the two colour differences; `across` and `down` are its sampling factors. */
typedef struct {
    uint8_t id, across, down, quantiser, dc_code, ac_code;
} Component;

typedef struct {
    int width, height; /* in pixels */
    int components;    /* 1 or 3 */
    Component component[MOST_COMPONENTS];
    int dc_quantum[TABLES]; /* what a DC coefficient is multiplied by; 0: not defined */
    HuffmanCode dc[TABLES], ac[TABLES];
    unsigned restart_interval; /* in units (MCU); 0: there are no restarts */
    const uint8_t *scan;       /* where the compressed data begins */
} Header;

/*
 * Reads the header of a baseline JPEG whose picture is YCbCr or grey and comes in one scan. False for any other file,
 * also for each that libjpeg-turbo would refuse or warn about on account of its header.
 */
bool header_read(Header *header, const uint8_t *data, size_t size);

#endif
