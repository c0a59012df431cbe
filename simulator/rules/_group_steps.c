/* The loop of `simulator.rules.group_means.Staircase` over thousandths.
 *
 * It is optional: without it, numpy gives the same numbers, several times as slowly. Sums are whole
 * numbers, so the order in which they are taken changes nothing. Built against the limited API of
 * Python 3.11. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 32
/* Groups whose end is in one block of tokens are compared with the extreme so far at once. None is
 * lower than the group before the block without the tokens that leave it in the block, and none
 * higher than that group with the tokens that come. */

#ifdef __has_builtin
#if __has_builtin(__builtin_shufflevector)
#define VECTORS
typedef int32_t Four __attribute__((vector_size(16)));
typedef uint16_t FourShort __attribute__((vector_size(8)));
#endif
#endif

/* Write what groups change by in a block, since the group before it. */
static inline void
add_up(const uint16_t *coming, const uint16_t *leaving, int32_t *change)
{
#ifdef VECTORS
    Four before = {0, 0, 0, 0}, none = before;
    for (int k = 0; k < BLOCK; k += 4) {
        FourShort in, out;
        memcpy(&in, coming + k, sizeof in);
        memcpy(&out, leaving + k, sizeof out);
        Four four = __builtin_convertvector(in, Four) - __builtin_convertvector(out, Four);
        four += __builtin_shufflevector(four, none, 4, 0, 1, 2);
        four += __builtin_shufflevector(four, none, 4, 4, 0, 1);
        four += before;
        before = __builtin_shufflevector(four, four, 3, 3, 3, 3);
        memcpy(change + k, &four, sizeof four);
    }
#else
    int32_t sum = 0;
    for (int k = 0; k < BLOCK; k++)
        change[k] = sum += coming[k] - leaving[k];
#endif
}

typedef struct {
    int64_t *ends; /* number of values at each step */
    int64_t *sums; /* sum of the group there */
    Py_ssize_t found, room;
} Steps;

/* Make room for the steps of one more block; return 0 if there is no memory. */
static int
make_room(Steps *steps)
{
    if (steps->found + BLOCK <= steps->room)
        return 1;
    Py_ssize_t room = 2 * steps->room + 16 * BLOCK;
    int64_t *ends = PyMem_Realloc(steps->ends, room * sizeof(int64_t));
    if (ends != NULL)
        steps->ends = ends;
    int64_t *sums = PyMem_Realloc(steps->sums, room * sizeof(int64_t));
    if (sums != NULL)
        steps->sums = sums;
    if (ends == NULL || sums == NULL)
        return 0;
    steps->room = room;
    return 1;
}

/* Add the steps among a block's groups, which differ from `sum` by `change`, and of which the extreme
 * so far differs by `extreme`; return by how much the extreme differs with them. There is room. */
static inline int32_t
add_steps(Steps *steps, Py_ssize_t first_end, int64_t sum, const int32_t *change,
          int32_t extreme, const int above)
{
    int64_t *ends = steps->ends + steps->found, *sums = steps->sums + steps->found;
    Py_ssize_t found = 0;
    for (int k = 0; k < BLOCK; k++) {
        int is_step = above ? change[k] > extreme : change[k] < extreme;
        ends[found] = first_end + k;
        sums[found] = sum + change[k];
        found += is_step; /* not a branch, which would often be foreseen wrongly */
        extreme = is_step ? change[k] : extreme;
    }
    steps->found += found;
    return extreme;
}

/* Find the steps of the running extreme of the sums of `window` values, of which there are `count`
 * at least; return 0 if there is no memory. */
static inline int
find_steps(const uint16_t *values, Py_ssize_t count, Py_ssize_t window, const int above,
           Steps *steps)
{
    int64_t sum = 0, extreme;
    Py_ssize_t i = window;
    int32_t change[BLOCK];

    if (!make_room(steps))
        return 0;
    for (Py_ssize_t k = 0; k < window; k++)
        sum += values[k];
    extreme = steps->sums[0] = sum;
    steps->ends[0] = window;
    steps->found = 1;
    for (; i + BLOCK <= count; i += BLOCK) {
        const uint16_t *coming = values + i, *leaving = coming - window;
        int32_t in = 0, out = 0, left, some = 0;
        for (int k = 0; k < BLOCK; k++) {
            in += coming[k];
            out += leaving[k];
        }
        if (above ? sum + in > extreme : sum - out < extreme) {
            left = (int32_t)(extreme - sum); /* less than `in`, or than `out` */
            add_up(coming, leaving, change);
            for (int k = 0; k < BLOCK; k++)
                some |= above ? change[k] > left : change[k] < left;
            if (some) {
                if (!make_room(steps))
                    return 0;
                extreme = sum + add_steps(steps, i + 1, sum, change, left, above);
            }
        }
        sum += in - out;
    }
    if (!make_room(steps))
        return 0;
    for (; i < count; i++) {
        sum += values[i] - values[i - window];
        if (above ? sum > extreme : sum < extreme) {
            extreme = steps->sums[steps->found] = sum;
            steps->ends[steps->found++] = i + 1;
        }
    }
    return 1;
}

PyDoc_STRVAR(steps_doc,
"steps(stored, window, side) -> (tokens, extremes)\n"
"\n"
"Find the steps of a trace's staircase: bytes of the tokens generated at each (int64), and of the\n"
"extreme so far times `side` (float64). `stored` are thousandths in uint16, shape (tokens,); `side`\n"
"is -1 for the minimum of the group means, 1 for the maximum.");

static PyObject *
steps(PyObject *module, PyObject *args)
{
    Py_buffer stored;
    Py_ssize_t window, count;
    int side, fits = 1;
    Steps steps = {NULL, NULL, 0, 0};
    PyObject *tokens, *extremes, *both = NULL;

    (void)module;
    if (!PyArg_ParseTuple(args, "y*ni", &stored, &window, &side))
        return NULL;
    count = stored.len / (Py_ssize_t)sizeof(uint16_t);
    if (window < 1 || (side != 1 && side != -1) || stored.len % (Py_ssize_t)sizeof(uint16_t)) {
        PyErr_SetString(PyExc_ValueError, "a window, side or size that is none");
        goto end;
    }
    if (window <= count)
        fits = side == 1 ? find_steps(stored.buf, count, window, 1, &steps)
                         : find_steps(stored.buf, count, window, 0, &steps);
    if (!fits) {
        PyErr_NoMemory();
        goto end;
    }
    tokens = PyBytes_FromStringAndSize((char *)steps.ends, steps.found * sizeof(int64_t));
    extremes = PyBytes_FromStringAndSize(NULL, steps.found * sizeof(double));
    if (tokens != NULL && extremes != NULL) {
        double *means = (double *)PyBytes_AsString(extremes);
        for (Py_ssize_t k = 0; k < steps.found; k++)
            means[k] = (double)steps.sums[k] / (side * 1000.0 * (double)window);
        both = PyTuple_Pack(2, tokens, extremes);
    }
    Py_XDECREF(tokens);
    Py_XDECREF(extremes);
end:
    PyMem_Free(steps.ends);
    PyMem_Free(steps.sums);
    PyBuffer_Release(&stored);
    return both;
}

static PyMethodDef methods[] = {
    {"steps", steps, METH_VARARGS, steps_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_group_steps", "Steps of group means, compiled.", 0, methods, slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__group_steps(void)
{
    return PyModuleDef_Init(&definition);
}
