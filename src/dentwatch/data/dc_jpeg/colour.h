/* From planes of YCbCr at an eighth to RGB. */

#ifndef DENTWATCH_COLOUR_H
#define DENTWATCH_COLOUR_H

#include "scan.h"

/* How many samples of room planes_to_rgb() needs for what lies between. */
size_t colour_room(const Header *header, const Plane *planes);

/* Fills `rgb`, rows of planes[0].columns × 3 bytes without gaps. `room` holds colour_room() samples. */
void planes_to_rgb(const Header *header, const Plane *planes, int16_t *room, uint8_t *rgb);

#endif
