/*
 * A baseline JPEG at an eighth of its size, from its DC coefficients alone.
 *
 * libjpeg-turbo, asked for an eighth, still decodes every AC coefficient, although only the means of the blocks are
 * used: that is most of its time. Here a table skips several AC codes at once.
 */

#ifndef DENTWATCH_PICTURE_H
#define DENTWATCH_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Fills `rgb`, `rows` × `columns` × 3 bytes. False, with any content in `rgb`, when the file is no photo of this kind
 * and of that size, when anything about it is amiss, and without memory: another decoder then has the word.
 */
bool picture_at_an_eighth(const uint8_t *data, size_t size, uint8_t *rgb, size_t rows, size_t columns);

#endif
