/*
 * Spoilt JPEGs for src/dentwatch/data/dc_jpeg, to be compiled together with it and with sanitizers:
 *
 *     dc_jpeg_mutations COUNT SEED PHOTO...
 *
 * Decodes COUNT photos, each a given one with bits flipped, bytes replaced, taken out or doubled, or its end missing, and
 * prints how many were decoded and how many refused. Every photo and picture lies in memory of exactly its size, so that
 * a byte too far is noticed.
 */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "picture.h"

enum { MOST_CHANGES = 4, HEADER = 700, MOST_PIXELS = 4000000 };

typedef struct {
    uint8_t *bytes;
    size_t size;
} File;

/* SplitMix64: the same numbers on every machine. */
static uint64_t state;

static uint64_t drawn(uint64_t below) {
    uint64_t z = state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (z ^ z >> 31) % below;
}

static File read_file(const char *path) {
    FILE *stream = fopen(path, "rb");
    if (!stream || fseek(stream, 0, SEEK_END)) exit(2);
    File file = {.size = (size_t)ftell(stream)};
    rewind(stream);
    file.bytes = malloc(file.size);
    if (!file.bytes || fread(file.bytes, 1, file.size, stream) != file.size) exit(2);
    fclose(stream);
    return file;
}

/* Changes `bytes`, for which there is room for twice their number, and returns how many there are then. */
static size_t spoil(uint8_t *bytes, size_t size) {
    static const uint8_t telling[] = {0x00, 0xff, 0xd9, 0xd0, 0xd8, 0xda, 0xc0, 0xc4, 0x01, 0x7f};
    /* Half of the changes are for the header, which is short. */
    size_t reach = drawn(2) && size > HEADER ? HEADER : size, at = drawn(reach), length;
    switch (drawn(6)) {
        case 0: return 1 + drawn(size);
        case 1: bytes[at] = telling[drawn(sizeof telling)]; return size;
        case 2: bytes[at] = (uint8_t)drawn(256); return size;
        case 3:
            length = 1 + drawn(size - at < 8 ? size - at : 8);
            memmove(bytes + at, bytes + at + length, size - at - length);
            return size - length ? size - length : 1;
        case 4:
            length = 1 + drawn(size - at);
            memmove(bytes + at + length, bytes + at, size - at);
            return size + length;
        default: bytes[at] ^= (uint8_t)(1u << drawn(8)); return size;
    }
}

/* The size that the frame's segment states, wherever it seems to be; most spoilt photos keep theirs. */
static bool find_size(const uint8_t *bytes, size_t size, size_t *rows, size_t *columns) {
    for (size_t i = 0; i + 9 <= size; i++)
        if (bytes[i] == 0xff && (bytes[i + 1] == 0xc0 || bytes[i + 1] == 0xc1)) {
            size_t height = (size_t)bytes[i + 5] << 8 | bytes[i + 6], width = (size_t)bytes[i + 7] << 8 | bytes[i + 8];
            *rows = (height + 7) / 8;
            *columns = (width + 7) / 8;
            return height && width && height * width <= MOST_PIXELS;
        }
    return false;
}

static bool decoded(const uint8_t *bytes, size_t size) {
    size_t rows, columns;
    if (!find_size(bytes, size, &rows, &columns)) rows = columns = 1;
    uint8_t *photo = malloc(size), *rgb = malloc(rows * columns * 3);
    if (!photo || !rgb) exit(2);
    memcpy(photo, bytes, size);
    bool done = picture_at_an_eighth(photo, size, rgb, rows, columns);
    free(photo);
    free(rgb);
    return done;
}

int main(int count, char **arguments) {
    if (count < 4) return 2;
    long wanted = strtol(arguments[1], NULL, 10), whole = 0;
    state = strtoull(arguments[2], NULL, 10);
    int photos = count - 3;
    File *files = malloc((size_t)photos * sizeof *files);
    if (!files) return 2;
    for (int i = 0; i < photos; i++) files[i] = read_file(arguments[3 + i]);
    for (long done = 0; done < wanted; done++) {
        File *file = &files[drawn((uint64_t)photos)];
        uint8_t *spoilt = malloc(file->size << MOST_CHANGES);
        if (!spoilt) return 2;
        memcpy(spoilt, file->bytes, file->size);
        size_t size = file->size;
        for (uint64_t changes = drawn(MOST_CHANGES + 1); changes; changes--) size = spoil(spoilt, size);
        whole += decoded(spoilt, size);
        free(spoilt);
    }
    for (int i = 0; i < photos; i++) free(files[i].bytes);
    free(files);
    printf("%ld decoded, %ld refused\n", whole, wanted - whole);
    return 0;
}
