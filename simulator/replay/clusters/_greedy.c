/* Greedy clustering of traces with all scores at hand, trace by trace.

   The same rules, in the same arithmetic, as `simulator.replay.clusters.greedy._Placing`, which
   says what they are and serves where this is not compiled. Built against the limited API of
   Python 3.11; arrays are passed as buffers. */

#define Py_LIMITED_API 0x030b0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <math.h>
#include <stdint.h>

enum { UNPLACED = -1 };

typedef struct {
    double threshold, rounding;
    Py_ssize_t max_clusters, max_members;
    int hard;
} Rule;

/* Requests of one trace: its bounds on each cluster's mean score, given the first `known` scores. */
typedef struct {
    double low, high, drawn;
    Py_ssize_t known;
    int left;
} Bounds;

typedef struct {
    Rule rule;
    const float *scores;   /* (stored, stored) */
    const int64_t *rows;   /* row of each trace in `scores` */
    int64_t *clusters;     /* of each trace; UNPLACED for none yet */
    Py_ssize_t *sizes;     /* (max_clusters,), and the number of clusters that are open: */
    Py_ssize_t stored, opened;
    Py_ssize_t *asked;     /* (max_clusters, max_members): the members that are compared */
    double *sums;          /* the same shape: sums of the first scores */
    Py_ssize_t *drawn;     /* (max_clusters,): their number */
    Bounds *bounds;        /* (max_clusters + 1,): the threshold first */
    int64_t *pairs, *calls; /* (room, 2) and (room,): the scores requested so far */
    Py_ssize_t room, requested;
    int missing;
} Placing;

static const float *row_of(const Placing *p, Py_ssize_t trace)
{
    return p->scores + p->rows[trace] * p->stored;
}

/* Compare a trace with the first members of each cluster among `before`, in their order; return -1
   if `before` does not have them. */
static int compare(Placing *p, Py_ssize_t trace, const uint16_t *before)
{
    const float *row = row_of(p, trace);
    Py_ssize_t most = p->rule.max_members, full = 0;
    for (Py_ssize_t k = 0; k < p->opened; k++)
        p->drawn[k] = 0;
    for (Py_ssize_t i = 0; i < trace && full < p->opened; i++) {
        Py_ssize_t member = before[i], k = (Py_ssize_t)p->clusters[member], had = p->drawn[k];
        if (had == most)
            continue;
        float score = row[p->rows[member]];
        double known = p->rule.hard ? score > 0.5f : (score > 0 ? score : 0);  /* NaN: 0 */
        Py_ssize_t place = k * most + had;
        p->asked[place] = member;
        p->sums[place] = known + (had ? p->sums[place - 1] : 0);
        p->drawn[k] = had + 1;
        if (had + 1 == (p->sizes[k] < most ? p->sizes[k] : most))
            full++;
    }
    return full < p->opened ? -1 : 0;
}

/* Return the cluster of the highest mean score, or UNPLACED if none exceeds the threshold. */
static Py_ssize_t home_of(const Placing *p)
{
    Py_ssize_t best = UNPLACED;
    double highest = p->rule.threshold;
    for (Py_ssize_t k = 0; k < p->opened; k++) {
        double mean = p->sums[k * p->rule.max_members + p->drawn[k] - 1] / (double)p->drawn[k];
        if (mean > highest) {
            highest = mean;
            best = k;
        }
    }
    return best;
}

static double more_than(const Placing *p, double number)
{
    double least = ceil(number - p->rule.rounding);
    return least < 1 ? 1 : least;
}

/* Record the request of a cluster's members from `known` on to `until`, and renew its bounds. */
static int request(Placing *p, Py_ssize_t trace, Py_ssize_t k, Py_ssize_t until, int64_t call)
{
    Bounds *bounds = p->bounds + 1 + k;
    Py_ssize_t begin = k * p->rule.max_members;
    if (p->requested + until - bounds->known > p->room)
        return -1;
    for (Py_ssize_t i = bounds->known; i < until; i++) {
        Py_ssize_t member = p->asked[begin + i];
        p->missing |= isnan(row_of(p, trace)[p->rows[member]]) != 0;
        p->pairs[2 * p->requested] = trace;
        p->pairs[2 * p->requested + 1] = member;
        p->calls[p->requested++] = call;
    }
    double known = p->sums[begin + until - 1];
    bounds->known = until;
    bounds->low = known / bounds->drawn;
    bounds->high = (known + (bounds->drawn - (double)until)) / bounds->drawn;
    return 0;
}

/* Record the requests that decide where a compared trace goes; return -1 if there is no room. */
static int decide(Placing *p, Py_ssize_t trace, int64_t call)
{
    Bounds *all = p->bounds;
    double threshold = p->rule.threshold;
    double share = 1 - threshold < threshold ? 1 - threshold : threshold;
    all[0] = (Bounds){threshold, threshold, 1, 1, 1};
    for (Py_ssize_t k = 0; k < p->opened; k++) {
        double drawn = (double)p->drawn[k];
        all[1 + k] = (Bounds){0, 0, drawn, 0, 1};
        if (request(p, trace, k, (Py_ssize_t)more_than(p, share * drawn), call))
            return -1;
    }
    for (;;) {
        Py_ssize_t best = -1;
        for (Py_ssize_t i = 0; i <= p->opened; i++)
            if (all[i].left && (best < 0 || all[i].low > all[best].low))
                best = i;
        double bar = all[best].low;
        int undecided = 0;
        for (Py_ssize_t i = 0; i <= p->opened; i++) {
            if (i == best || !all[i].left)
                continue;
            all[i].left = all[i].high > bar || (all[i].high == bar && i < best);
            undecided |= all[i].left;
        }
        if (!undecided)
            return 0;
        call++;
        for (Py_ssize_t i = 0; i <= p->opened; i++) {
            if (i == best || !all[i].left)
                continue;
            double above = all[i].high - bar, below = bar - all[i].low;
            double to_decide = (above < below ? above : below) * all[i].drawn;
            Py_ssize_t until = all[i].known + (Py_ssize_t)more_than(p, to_decide);
            if (request(p, trace, i - 1, until, call))
                return -1;
        }
    }
}

/* Place the traces of a block; return the trace at which clustering ended, `last` if it did not,
   and -1 if there is no room for the requests, or `members` are no orders of the traces. */
static Py_ssize_t place(
    Placing *p, const uint16_t *members, Py_ssize_t first, Py_ssize_t last, int64_t calls_of_trace)
{
    for (Py_ssize_t trace = first; trace < last; members += trace + 1, trace++) {
        Py_ssize_t home = UNPLACED;
        if (trace) {
            if (compare(p, trace, members) || decide(p, trace, trace * calls_of_trace))
                return -1;
            home = home_of(p);
        }
        if (home == UNPLACED) {
            if (p->opened == p->rule.max_clusters)
                return trace;
            home = p->opened++;
        }
        p->clusters[trace] = home;
        p->sizes[home]++;
    }
    return last;
}

PyDoc_STRVAR(place_block_doc,
"place_block(scores, rows, members, first, last, rule, rounding, calls_of_trace, clusters, pairs, calls)\n"
"--\n\n"
"Place the traces of a block, like `simulator.replay.clusters.greedy._Placing.place`.\n\n"
"`scores` is float32, `members` uint16, the other arrays int64; `clusters`, `pairs` and `calls`\n"
"are written. Returns the trace at which clustering ended (`last` if it did not), the number of\n"
"pairs, and True if a score that is requested is missing.");

enum { SCORES, ROWS, MEMBERS, CLUSTERS, PAIRS, CALLS, BUFFERS };

static int wrong_sizes(const Py_buffer *b, const Placing *p, Py_ssize_t first, Py_ssize_t last)
{
    Py_ssize_t traces = b[ROWS].len / 8, stored = p->stored, needed = 0;
    if (b[SCORES].len != stored * stored * 4 || b[CLUSTERS].len != b[ROWS].len)
        return 1;
    if (first < 0 || first > last || last > traces || last > 65536 || b[PAIRS].len != 2 * b[CALLS].len)
        return 1;
    if (p->rule.max_clusters < 1 || p->rule.max_members < 1)
        return 1;
    for (Py_ssize_t trace = first; trace < last; trace++)
        needed += trace + 1;
    if (b[MEMBERS].len != needed * 2)
        return 1;
    for (Py_ssize_t trace = 0; trace < traces; trace++) {
        if (p->rows[trace] < 0 || p->rows[trace] >= stored)
            return 1;
        if (trace < first && (p->clusters[trace] < 0 || p->clusters[trace] >= p->rule.max_clusters))
            return 1;
    }
    const uint16_t *members = b[MEMBERS].buf;
    for (Py_ssize_t trace = first; trace < last; trace++)
        for (Py_ssize_t i = 0; i <= trace; i++)
            if (*members++ >= trace + (i == trace))
                return 1;
    return 0;
}

static PyObject *place_block(PyObject *module, PyObject *args)
{
    PyObject *arrays[BUFFERS], *result = NULL;
    Py_buffer b[BUFFERS] = {{0}};
    Placing p = {0};
    Py_ssize_t first, last, calls_of_trace;
    (void)module;
    if (!PyArg_ParseTuple(args, "OOOnn(dnnp)dnOOO", &arrays[SCORES], &arrays[ROWS], &arrays[MEMBERS],
                          &first, &last, &p.rule.threshold, &p.rule.max_clusters,
                          &p.rule.max_members, &p.rule.hard, &p.rule.rounding, &calls_of_trace,
                          &arrays[CLUSTERS], &arrays[PAIRS], &arrays[CALLS]))
        return NULL;
    for (int i = 0; i < BUFFERS; i++)
        if (PyObject_GetBuffer(arrays[i], &b[i], i < CLUSTERS ? PyBUF_C_CONTIGUOUS
                                                              : PyBUF_C_CONTIGUOUS | PyBUF_WRITABLE))
            goto end;
    p.scores = b[SCORES].buf;
    p.rows = b[ROWS].buf;
    p.clusters = b[CLUSTERS].buf;
    p.pairs = b[PAIRS].buf;
    p.calls = b[CALLS].buf;
    p.room = b[CALLS].len / 8;
    p.stored = (Py_ssize_t)sqrt((double)(b[SCORES].len / 4));
    if (wrong_sizes(b, &p, first, last)) {
        PyErr_SetString(PyExc_ValueError, "arrays that do not belong together");
        goto end;
    }
    size_t clusters = (size_t)p.rule.max_clusters, cells = clusters * (size_t)p.rule.max_members;
    p.sizes = PyMem_Calloc(clusters, sizeof *p.sizes);
    p.drawn = PyMem_Calloc(clusters, sizeof *p.drawn);
    p.bounds = PyMem_Calloc(clusters + 1, sizeof *p.bounds);
    p.asked = PyMem_Calloc(cells, sizeof *p.asked);
    p.sums = PyMem_Calloc(cells, sizeof *p.sums);
    if (!p.sizes || !p.drawn || !p.bounds || !p.asked || !p.sums) {
        PyErr_NoMemory();
        goto end;
    }
    for (Py_ssize_t trace = 0; trace < first; trace++) {
        p.sizes[p.clusters[trace]]++;
        if (p.clusters[trace] >= p.opened)
            p.opened = (Py_ssize_t)p.clusters[trace] + 1;
    }
    Py_ssize_t ended = place(&p, b[MEMBERS].buf, first, last, calls_of_trace);
    if (ended < 0)
        PyErr_SetString(PyExc_ValueError, "no room for the pairs, or no orders of the traces");
    else
        result = Py_BuildValue("nnN", ended, p.requested, PyBool_FromLong(p.missing));
end:
    PyMem_Free(p.sizes);
    PyMem_Free(p.drawn);
    PyMem_Free(p.bounds);
    PyMem_Free(p.asked);
    PyMem_Free(p.sums);
    for (int i = 0; i < BUFFERS; i++)
        if (b[i].obj)
            PyBuffer_Release(&b[i]);
    return result;
}

static PyMethodDef methods[] = {
    {"place_block", place_block, METH_VARARGS, place_block_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_greedy", "Greedy clustering, compiled.", 0, methods, slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__greedy(void)
{
    return PyModuleDef_Init(&definition);
}
