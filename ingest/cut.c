/* Cuts lines that are one text around their values; see cut.py. No other byte than those of a line is looked at. */

#include <stdint.h>
#include <string.h>

/* The end of plain text: a quote, a backslash or a control character. */
static const uint8_t *plain(const uint8_t *at, const uint8_t *end) {
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    /* Eight bytes at a time. A borrow can only mark bytes behind one that was marked rightly: the first mark is true. */
    const uint64_t ones = 0x0101010101010101ULL, high = 0x8080808080808080ULL;
    while (end - at >= 8) {
        uint64_t word, quote, slash, found;
        memcpy(&word, at, 8);
        quote = word ^ (ones * '"');
        slash = word ^ (ones * '\\');
        found = ((quote - ones) & ~quote) | ((slash - ones) & ~slash) | ((word - ones * 0x20) & ~word);
        found &= high;
        if (found) return at + (__builtin_ctzll(found) >> 3);
        at += 8;
    }
#endif
    while (at < end && *at != '"' && *at != '\\' && *at >= 0x20) at++;
    return at;
}

/* The end of a whole number of at most 15 digits as JSON writes it; NULL when there is none. */
static const uint8_t *whole(const uint8_t *at, const uint8_t *end) {
    const uint8_t *first;
    if (at < end && *at == '-') {
        at++;
        if (at < end && *at == '0') return NULL;
    }
    first = at;
    while (at < end && *at >= '0' && *at <= '9') at++;
    if (at == first || at - first > 15 || (*first == '0' && at - first > 1)) return NULL;
    return at;
}

/* An Arrow string view: the length, and the text when it is short, else its first bytes and where it stands. */
static void view(uint8_t *out, const uint8_t *data, const uint8_t *first, const uint8_t *last) {
    const int32_t length = (int32_t)(last - first), buffer = 0, offset = (int32_t)(first - data);
    memcpy(out, &length, 4);
    if (length <= 12) {
        memset(out + 4, 0, 12);
        memcpy(out + 4, first, (size_t)length);
    } else {
        memcpy(out + 4, first, 4);
        memcpy(out + 8, &buffer, 4);
        memcpy(out + 12, &offset, 4);
    }
}

/* How many of the lines fit; `fitting` gets their rows, the i-th column's views stand from views + 16 * room * i on.
 *
 * data, offsets: an Arrow string column of `rows` lines. literals, edges: values + 1 texts, one behind the other.
 * bare: whether a value is a number without quotes. column: where each value goes, -1: nowhere.
 */
int64_t gatewatch_cut(const uint8_t *data, const int32_t *offsets, int64_t rows, const uint8_t *literals,
                      const int32_t *edges, int32_t values, const uint8_t *bare, const int32_t *column,
                      uint8_t *views, int64_t room, int32_t *fitting) {
    int64_t row, count = 0;
    for (row = 0; row < rows && count < room; row++) {
        const uint8_t *at = data + offsets[row], *end = data + offsets[row + 1], *first;
        int32_t i;
        if (end > at && end[-1] == '\n') end--;
        if (end > at && end[-1] == '\r') end--;
        for (i = 0;; i++) {
            const int64_t size = edges[i + 1] - edges[i];
            if (end - at < size || memcmp(at, literals + edges[i], (size_t)size) != 0) break;
            at += size;
            if (i == values) {
                if (at == end) fitting[count++] = (int32_t)row;
                break;
            }
            first = at;
            at = bare[i] ? whole(at, end) : plain(at, end);
            if (at == NULL) break;
            if (column[i] >= 0) view(views + 16 * (room * column[i] + count), data, first, at);
        }
    }
    return count;
}

/* Where lines begin: `starts` gets the position behind each newline from `at` on, as many as there is room for.
 *
 * How many these are; *high is set when a byte of the text up to the last of them (or its end) is not ASCII.
 */
int64_t gatewatch_lines(const uint8_t *data, int64_t size, int64_t at, int64_t *starts, int64_t room, uint8_t *high) {
    int64_t count = 0;
    uint8_t all = 0;
    while (count < room && at < size) {
        const uint8_t *found = memchr(data + at, '\n', (size_t)(size - at));
        const int64_t next = found ? found - data + 1 : size;
        for (; at < next; at++) all |= data[at];
        if (found) starts[count++] = next;
    }
    if (all & 0x80) *high = 1;
    return count;
}
