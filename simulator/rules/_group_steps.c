/* The loop of `simulator.rules.group_means.Staircase` over thousandths.
 *
 * It is optional: without it, numpy gives the same numbers, several times as slowly. Sums are whole
 * numbers, so the order in which they are taken changes nothing. */

#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 32
/* Groups whose end is in one block of tokens are compared with the extreme so far at once. None is
 * lower than the group before the block without the tokens that leave it in the block, and none
 * higher than that group with the tokens that come. */

/* Write the running extreme of the sums of `window` values as steps: the number of values at each,
 * and the sum. There is room for a step a value; return how many there are. */
static inline Py_ssize_t
find_steps(const uint16_t *values, Py_ssize_t count, Py_ssize_t window, const int above,
           int64_t *ends, int64_t *sums)
{
    int64_t sum = 0, extreme;
    Py_ssize_t found = 0, i = window;

    for (Py_ssize_t k = 0; k < window; k++)
        sum += values[k];
    extreme = sums[found] = sum;
    ends[found++] = window;
    while (i < count) {
        const uint16_t *coming = values + i, *leaving = coming - window;
        int size = count - i < BLOCK ? (int)(count - i) : BLOCK;
        if (size == BLOCK) {
            int32_t in = 0, out = 0;
            for (int k = 0; k < BLOCK; k++) {
                in += coming[k];
                out += leaving[k];
            }
            if (above ? sum + in <= extreme : sum - out >= extreme) {
                sum += in - out;
                i += BLOCK;
                continue;
            }
        }
        for (int k = 0; k < size; k++) {
            sum += coming[k] - leaving[k];
            int is_step = above ? sum > extreme : sum < extreme;
            sums[found] = sum;
            ends[found] = i + k + 1;
            found += is_step; /* not a branch, which would often be foreseen wrongly */
            extreme = is_step ? sum : extreme;
        }
        i += size;
    }
    return found;
}

PyDoc_STRVAR(steps_doc,
"steps(stored, window, side, tokens, extremes) -> int\n"
"\n"
"Find the steps of a trace's staircase; return their number.\n"
"\n"
"Writes to `tokens` (int64) and `extremes` (float64), which have room for an element a token:\n"
"tokens generated at each step, and the extreme so far times `side`. `stored` are thousandths in\n"
"uint16, shape (tokens,); `side` is -1 for the minimum of the group means, 1 for the maximum.");

static PyObject *
steps(PyObject *module, PyObject *args)
{
    Py_buffer stored, tokens, extremes;
    Py_ssize_t window, count, found = 0;
    int side;

    if (!PyArg_ParseTuple(args, "y*niw*w*", &stored, &window, &side, &tokens, &extremes))
        return NULL;
    count = stored.len / (Py_ssize_t)sizeof(uint16_t);
    if (window < 1 || (side != 1 && side != -1) || stored.len % (Py_ssize_t)sizeof(uint16_t)
        || tokens.len / (Py_ssize_t)sizeof(int64_t) < count
        || extremes.len / (Py_ssize_t)sizeof(double) < count) {
        PyErr_SetString(PyExc_ValueError, "a window, side or size that is none");
    }
    else if (window <= count) {
        const uint16_t *values = stored.buf;
        int64_t *ends = tokens.buf, *sums = extremes.buf; /* each sum's place takes its mean */
        char *place = extremes.buf;
        double unit = side * 1000.0 * (double)window;

        found = side == 1 ? find_steps(values, count, window, 1, ends, sums)
                          : find_steps(values, count, window, 0, ends, sums);
        for (Py_ssize_t k = 0; k < found; k++, place += sizeof(double)) {
            int64_t sum;
            memcpy(&sum, place, sizeof sum);
            double mean = (double)sum / unit;
            memcpy(place, &mean, sizeof mean);
        }
    }
    PyBuffer_Release(&stored);
    PyBuffer_Release(&tokens);
    PyBuffer_Release(&extremes);
    return PyErr_Occurred() ? NULL : PyLong_FromSsize_t(found);
}

static PyMethodDef methods[] = {
    {"steps", steps, METH_VARARGS, steps_doc},
    {NULL, NULL, 0, NULL},
};

static struct PyModuleDef module = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_group_steps",
    .m_size = 0,
    .m_methods = methods,
};

PyMODINIT_FUNC
PyInit__group_steps(void)
{
    return PyModuleDef_Init(&module);
}
