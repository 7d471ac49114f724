/* The picture's means: one sample per block of 8 × 8 pixels, which is what a DC coefficient says. */

#ifndef DENTWATCH_SCAN_H
#define DENTWATCH_SCAN_H

#include "bits.h"
#include "header.h"
#include "huffman.h"

/* One component at an eighth; rows of `stride` samples, of which the last may be padding. */
typedef struct {
    int columns, rows; /* without padding */
    size_t stride;
    uint8_t *samples;
} Plane;

/* What reading a scan needs. */
typedef struct {
    Bits bits;
    SymbolTable dc[TABLES];
    SkipTable ac[TABLES];
} Scan;

/* How many samples a component has, padding included. Sets all of the plane but its samples. */
size_t plane_layout(Plane *plane, const Header *header, int component);

/* Reads the scan into the planes. False when the data is damaged, or anything else than baseline JPEGs contain. */
bool scan_read(Scan *scan, const Header *header, const uint8_t *end, Plane *planes);

#endif
