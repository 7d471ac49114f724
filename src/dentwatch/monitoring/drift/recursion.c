/* The module dentwatch.monitoring.drift._recursion: one update of all bets. recursion.py says what it means. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>

enum { MONEY, QUIET, E_VALUES, BUFFERS };

static const int WANTED[BUFFERS] = {PyBUF_WRITABLE, PyBUF_WRITABLE, PyBUF_SIMPLE};

static void pay(double *roberts, double *cusum, long long *quiet, const double *e_values, Py_ssize_t bets,
                long long update, double most) {
    for (Py_ssize_t bet = 0; bet < bets; bet++) {
        double begun = (roberts[bet] + 1.0) * e_values[bet];
        double since = (cusum[bet] > 1.0 ? cusum[bet] : 1.0) * e_values[bet];
        roberts[bet] = begun < most ? begun : most;
        cusum[bet] = since < most ? since : most;
        quiet[bet] = since <= 1.0 ? update : quiet[bet];
    }
}

static PyObject *update(PyObject *module, PyObject *arguments) {
    (void)module;
    PyObject *arrays[BUFFERS];
    long long number;
    double most;
    if (!PyArg_ParseTuple(arguments, "OOOLd:update", &arrays[MONEY], &arrays[QUIET], &arrays[E_VALUES], &number, &most)) {
        return NULL;
    }
    Py_buffer views[BUFFERS];
    PyObject *answer = NULL;
    int held = 0;
    while (held < BUFFERS && !PyObject_GetBuffer(arrays[held], &views[held], WANTED[held])) held++;
    if (held == BUFFERS) {
        Py_ssize_t bets = views[E_VALUES].len / (Py_ssize_t)sizeof(double);
        if (views[MONEY].len == 2 * views[E_VALUES].len && views[QUIET].len == bets * (Py_ssize_t)sizeof(long long)) {
            double *money = views[MONEY].buf;
            pay(money, money + bets, views[QUIET].buf, views[E_VALUES].buf, bets, number, most);
            answer = Py_NewRef(Py_None);
        } else {
            PyErr_SetString(PyExc_ValueError, "money must be twice as long as e_values, and quiet as long");
        }
    }
    while (held) PyBuffer_Release(&views[--held]);
    return answer;
}

static PyMethodDef methods[] = {
    {"update", update, METH_VARARGS, "Pay e_values into money and note the update in quiet, both in place."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "_recursion", .m_methods = methods, .m_slots = slots,
};

PyMODINIT_FUNC PyInit__recursion(void) { return PyModuleDef_Init(&definition); }
