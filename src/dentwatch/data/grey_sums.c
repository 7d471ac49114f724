/* The module dentwatch.data._grey_sums: what photo statistics add up over the pixels of a grey picture.

   All sums are of integers, so they are NumPy's and OpenCV's to the last bit. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STRIPE 1024 /* columns whose sums fit 32 bits: squares of a Laplacian reach 1020² */

typedef struct {
    int64_t laplacian, squares, noise;
} Detail;

typedef struct {
    int64_t across, across_borders, down, down_borders;
} Steps;

/* The neighbour before the first pixel is the second one, as in OpenCV's BORDER_REFLECT_101. */
static size_t before(size_t place, size_t count) { return place ? place - 1 : (count > 1); }
static size_t after(size_t place, size_t count) { return place + 1 < count ? place + 1 : (count > 1 ? count - 2 : 0); }

static void count_levels(const uint8_t *grey, size_t size, int64_t *counts) {
    uint32_t parts[4][256] = {{0}}; /* four, because an increment waits for the one before it at the same place */
    size_t i = 0;
    for (; i + 4 <= size; i += 4) {
        parts[0][grey[i]]++;
        parts[1][grey[i + 1]]++;
        parts[2][grey[i + 2]]++;
        parts[3][grey[i + 3]]++;
    }
    for (; i < size; i++) parts[0][grey[i]]++;
    for (size_t level = 0; level < 256; level++)
        counts[level] += (int64_t)parts[0][level] + parts[1][level] + parts[2][level] + parts[3][level];
}

/* The Laplacian of one row, without its first and last pixel, and Immerkær's response where down[] is known. */
static void add_inner(const uint8_t *row, const int16_t *down, size_t columns, int with_noise, Detail *sums) {
    for (size_t start = 1; start + 1 < columns; start += STRIPE) {
        size_t end = start + STRIPE < columns - 1 ? start + STRIPE : columns - 1;
        int32_t laplacian = 0, squares = 0, noise = 0;
        for (size_t x = start; x < end; x++) {
            int16_t value = (int16_t)(down[x] + row[x - 1] + row[x + 1] - 2 * row[x]);
            laplacian += value;
            squares += (int32_t)value * value;
        }
        if (with_noise)
            for (size_t x = start; x < end; x++) {
                int16_t value = (int16_t)(down[x - 1] + down[x + 1] - 2 * down[x]);
                noise += abs(value);
            }
        sums->laplacian += laplacian;
        sums->squares += squares;
        sums->noise += noise;
    }
}

static void add_edge(const uint8_t *row, const int16_t *down, size_t x, size_t columns, Detail *sums) {
    int64_t value = down[x] + row[before(x, columns)] + row[after(x, columns)] - 2 * row[x];
    sums->laplacian += value;
    sums->squares += value * value;
}

static int detail_of(const uint8_t *grey, size_t rows, size_t columns, Detail *sums) {
    int16_t *down = malloc(columns * sizeof *down); /* the second difference down a column */
    if (!down) return -1;
    for (size_t y = 0; y < rows; y++) {
        const uint8_t *row = grey + y * columns;
        const uint8_t *above = grey + before(y, rows) * columns, *below = grey + after(y, rows) * columns;
        for (size_t x = 0; x < columns; x++) down[x] = (int16_t)(above[x] + below[x] - 2 * row[x]);
        add_inner(row, down, columns, y > 0 && y + 1 < rows, sums);
        add_edge(row, down, 0, columns, sums);
        if (columns > 1) add_edge(row, down, columns - 1, columns, sums);
    }
    free(down);
    return 0;
}

static int64_t sum_of_steps(const uint8_t *one, const uint8_t *other, size_t count) {
    int64_t sum = 0;
    for (size_t start = 0; start < count; start += STRIPE) {
        size_t end = start + STRIPE < count ? start + STRIPE : count;
        int32_t part = 0;
        for (size_t i = start; i < end; i++) part += abs(one[i] - other[i]);
        sum += part;
    }
    return sum;
}

static void steps_of(const uint8_t *grey, size_t rows, size_t columns, Steps *sums) {
    for (size_t y = 0; y < rows; y++) {
        const uint8_t *row = grey + y * columns;
        sums->across += sum_of_steps(row, row + 1, columns - 1);
        for (size_t x = 7; x + 1 < columns; x += 8) sums->across_borders += abs(row[x] - row[x + 1]);
        if (y + 1 == rows) break;
        int64_t down = sum_of_steps(row, row + columns, columns);
        sums->down += down;
        if (y % 8 == 7) sums->down_borders += down;
    }
}

static int is_picture(const Py_buffer *grey) {
    if (grey->ndim == 2 && grey->itemsize == 1 && grey->shape[0] > 0 && grey->shape[1] > 0) return 1;
    PyErr_SetString(PyExc_ValueError, "grey must be bytes of the shape (rows, columns), at least one of each");
    return 0;
}

static PyObject *detail(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *picture, *target;
    Py_buffer grey, counts;
    if (!PyArg_ParseTuple(arguments, "OO:detail", &picture, &target)) return NULL;
    if (PyObject_GetBuffer(picture, &grey, PyBUF_ND)) return NULL;
    if (PyObject_GetBuffer(target, &counts, PyBUF_WRITABLE | PyBUF_ND)) {
        PyBuffer_Release(&grey);
        return NULL;
    }
    PyObject *answer = NULL;
    Detail sums = {0};
    if (counts.itemsize != sizeof(int64_t) || counts.len != 256 * sizeof(int64_t)) {
        PyErr_SetString(PyExc_ValueError, "counts must be 256 integers of 64 bits");
    } else if (is_picture(&grey)) {
        size_t rows = (size_t)grey.shape[0], columns = (size_t)grey.shape[1];
        int failed;
        Py_BEGIN_ALLOW_THREADS
        memset(counts.buf, 0, 256 * sizeof(int64_t));
        count_levels(grey.buf, rows * columns, counts.buf);
        failed = detail_of(grey.buf, rows, columns, &sums);
        Py_END_ALLOW_THREADS
        answer = failed ? PyErr_NoMemory()
                        : Py_BuildValue("LLL", (long long)sums.laplacian, (long long)sums.squares,
                                        (long long)sums.noise);
    }
    PyBuffer_Release(&counts);
    PyBuffer_Release(&grey);
    return answer;
}

static PyObject *steps(PyObject *module, PyObject *picture) {
    (void)module;
    Py_buffer grey;
    if (PyObject_GetBuffer(picture, &grey, PyBUF_ND)) return NULL;
    PyObject *answer = NULL;
    if (is_picture(&grey)) {
        Steps sums = {0};
        Py_BEGIN_ALLOW_THREADS
        steps_of(grey.buf, (size_t)grey.shape[0], (size_t)grey.shape[1], &sums);
        Py_END_ALLOW_THREADS
        answer = Py_BuildValue("LLLL", (long long)sums.across, (long long)sums.across_borders, (long long)sums.down,
                               (long long)sums.down_borders);
    }
    PyBuffer_Release(&grey);
    return answer;
}

static PyMethodDef methods[] = {
    {"detail", detail, METH_VARARGS, "Count the levels of grey into counts; sums of the Laplacian, its squares, noise."},
    {"steps", steps, METH_O, "Sums of the steps across and down: all of them, and those over borders of blocks."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_grey_sums", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__grey_sums(void) { return PyModuleDef_Init(&definition); }
