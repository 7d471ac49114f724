/* The module dentwatch.data._dc_jpeg. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "picture.h"

static bool is_rgb(const Py_buffer *rgb) {
    return rgb->ndim == 3 && rgb->itemsize == 1 && rgb->shape[2] == 3;
}

static PyObject *decode_eighth(PyObject *module, PyObject *arguments) {
    (void)module;
    Py_buffer data, rgb;
    PyObject *target;
    if (!PyArg_ParseTuple(arguments, "y*O:decode_eighth", &data, &target)) return NULL;
    if (PyObject_GetBuffer(target, &rgb, PyBUF_WRITABLE | PyBUF_ND)) {
        PyBuffer_Release(&data);
        return NULL;
    }
    PyObject *answer = NULL;
    if (is_rgb(&rgb)) {
        bool done;
        Py_BEGIN_ALLOW_THREADS
        done = picture_at_an_eighth(data.buf, (size_t)data.len, rgb.buf, (size_t)rgb.shape[0], (size_t)rgb.shape[1]);
        Py_END_ALLOW_THREADS
        answer = PyBool_FromLong(done);
    } else {
        PyErr_SetString(PyExc_ValueError, "rgb must be bytes of the shape (rows, columns, 3)");
    }
    PyBuffer_Release(&rgb);
    PyBuffer_Release(&data);
    return answer;
}

static PyMethodDef methods[] = {
    {"decode_eighth", decode_eighth, METH_VARARGS,
     "Fill rgb with the JPEG at an eighth of its size; whether that was possible."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_dc_jpeg", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__dc_jpeg(void) { return PyModuleDef_Init(&definition); }
