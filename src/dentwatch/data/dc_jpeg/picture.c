#include "picture.h"

#include <stdlib.h>

#include "colour.h"

/* Everything that a call needs besides the planes; too large for a thread's stack. */
typedef struct {
    Header header;
    Scan scan;
} Work;

static bool decode(Work *work, const uint8_t *end, Plane *planes, uint8_t *rgb) {
    const Header *header = &work->header;
    size_t sizes[MOST_COMPONENTS] = {0}, total = 0;
    for (int i = 0; i < header->components; i++) total += sizes[i] = plane_layout(&planes[i], header, i);
    size_t room = colour_room(header, planes) * sizeof(int16_t);
    uint8_t *memory = malloc(room + total);
    if (!memory) return false;
    uint8_t *samples = memory + room;
    for (int i = 0; i < header->components; samples += sizes[i++]) planes[i].samples = samples;
    bool whole = scan_read(&work->scan, header, end, planes);
    if (whole) planes_to_rgb(header, planes, (int16_t *)(void *)memory, rgb);
    free(memory);
    return whole;
}

bool picture_at_an_eighth(const uint8_t *data, size_t size, uint8_t *rgb, size_t rows, size_t columns) {
    Work *work = malloc(sizeof *work);
    if (!work) return false;
    Header *header = &work->header;
    Plane planes[MOST_COMPONENTS];
    bool done = header_read(header, data, size) && ((size_t)header->width + 7) / 8 == columns &&
                ((size_t)header->height + 7) / 8 == rows && decode(work, data + size, planes, rgb);
    free(work);
    return done;
}
