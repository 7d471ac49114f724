#include "colour.h"

/*
 * Compiled twice, and the processor decides at the start which is called: the least x86-64 cannot multiply several
 * numbers of 32 bits at a time, with AVX2 it does eight.
 */
#if defined(__x86_64__) && defined(__gnu_linux__) && defined(__GNUC__) && !defined(__clang__)
#define TWO_WIDTHS __attribute__((target_clones("avx2", "default")))
#define INLINE inline __attribute__((always_inline))
#else
#define TWO_WIDTHS
#define INLINE inline
#endif

enum { EIGHTHS = 8, PADDING = 1 };

/* Between which two samples of a coarser row the middle of a fine sample lies, and how many eighths from the first. */
typedef struct {
    int first, eighths;
} Place;

/*
 * A coarse sample stands for `ratio` fine ones and lies in their middle (JFIF 1.02, page 2), so that fine sample i lies
 * at (2 i + 1 - ratio) / (2 ratio). The ratio is 1, 2 or 4.
 */
static INLINE Place place_of(int fine, int ratio) {
    int phase = (2 * (fine % ratio) + 1 - ratio) * EIGHTHS / (2 * ratio);
    Place place = {fine / ratio, phase};
    if (phase < 0) place = (Place){fine / ratio - 1, phase + EIGHTHS};
    return place;
}

static INLINE int within(int row, int rows) { return row < 0 ? 0 : row >= rows ? rows - 1 : row; }

/* A row of a coarse plane as fine row `y` has it, in eighths, with its first and last sample repeated around it. */
static INLINE void blend_rows(const Plane *plane, int y, int ratio, int16_t *blended) {
    Place place = place_of(y, ratio);
    const uint8_t *one = plane->samples + (size_t)within(place.first, plane->rows) * plane->stride;
    const uint8_t *other = plane->samples + (size_t)within(place.first + 1, plane->rows) * plane->stride;
    int16_t *row = blended + PADDING;
    for (int x = 0; x < plane->columns; x++)
        row[x] = (int16_t)(one[x] * (EIGHTHS - place.eighths) + other[x] * place.eighths);
    row[-1] = row[0];
    row[plane->columns] = row[plane->columns - 1];
}

/* Stretches a blended row to `ratio` times its columns: colour differences around 0. */
static INLINE void stretch(const int16_t *blended, int columns, int ratio, int16_t *stretched) {
    for (int phase = 0; phase < ratio; phase++) {
        Place place = place_of(phase, ratio);
        const int16_t *from = blended + PADDING + place.first;
        for (int x = 0; x < columns; x++) {
            int sum = from[x] * (EIGHTHS - place.eighths) + from[x + 1] * place.eighths;
            stretched[x * ratio + phase] = (int16_t)(((sum + EIGHTHS * EIGHTHS / 2) >> 6) - 128);
        }
    }
}

static INLINE uint8_t clamp(int value) { return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value; }

/* JFIF 1.02, page 3, in 16 binary places and rounded as libjpeg does. */
static INLINE void convert(const uint8_t *luma, const int16_t *cb, const int16_t *cr, int columns, uint8_t *rgb) {
    for (int x = 0; x < columns; x++) {
        rgb[3 * x] = clamp(luma[x] + ((91881 * cr[x] + 32768) >> 16));
        rgb[3 * x + 1] = clamp(luma[x] + ((-22554 * cb[x] - 46802 * cr[x] + 32768) >> 16));
        rgb[3 * x + 2] = clamp(luma[x] + ((116130 * cb[x] + 32768) >> 16));
    }
}

static INLINE void repeat(const uint8_t *luma, int columns, uint8_t *rgb) {
    for (int x = 0; x < columns; x++) rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = luma[x];
}

/* A blended row, and two rows as long as the stretched ones, which may be longer than the picture's. */
static size_t blended_length(const Plane *planes) { return (size_t)planes[1].columns + 2 * PADDING; }

static size_t stretched_length(const Header *header, const Plane *planes) {
    return (size_t)planes[1].columns * (size_t)(header->component[0].across / header->component[1].across);
}

size_t colour_room(const Header *header, const Plane *planes) {
    if (header->components == 1) return 0;
    return blended_length(planes) + 2 * stretched_length(header, planes);
}

TWO_WIDTHS
void planes_to_rgb(const Header *header, const Plane *planes, int16_t *room, uint8_t *rgb) {
    const Plane *luma = &planes[0];
    size_t row_bytes = (size_t)luma->columns * 3;
    if (header->components == 1) {
        for (int y = 0; y < luma->rows; y++)
            repeat(luma->samples + (size_t)y * luma->stride, luma->columns, rgb + (size_t)y * row_bytes);
        return;
    }
    int across = header->component[0].across / header->component[1].across;
    int down = header->component[0].down / header->component[1].down;
    int16_t *colours[2] = {room + blended_length(planes), room + blended_length(planes)};
    colours[1] += stretched_length(header, planes);
    for (int y = 0; y < luma->rows; y++) {
        for (int i = 0; i < 2; i++) {
            blend_rows(&planes[1 + i], y, down, room);
            stretch(room, planes[1 + i].columns, across, colours[i]);
        }
        const uint8_t *row = luma->samples + (size_t)y * luma->stride;
        convert(row, colours[0], colours[1], luma->columns, rgb + (size_t)y * row_bytes);
    }
}
