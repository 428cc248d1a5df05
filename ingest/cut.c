/* Cuts lines that are one text around their values; see cut.py. No other byte than those of a line is looked at. */

#include <stdint.h>
#include <string.h>

#define MOST 512 /* values of a line, as in cut.py */

/* What a value is, in `kind`. */
enum { BARE = 1, WHOLE = 2, INSTANT = 4 };
/* How a value takes part in the hash of a line's place, in `part`. */
enum { ALWAYS = 1, UNDECLARED = 2, DECLARES = 4 };

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

/* Whether two texts of one size are the same; short ones are most, and a call costs more than they do. */
static int same(const uint8_t *a, const uint8_t *b, int64_t size) {
    uint64_t x, y;
    if (size >= 8) {
        int64_t at = 0;
        for (; at + 8 <= size; at += 8) {
            memcpy(&x, a + at, 8);
            memcpy(&y, b + at, 8);
            if (x != y) return 0;
        }
        memcpy(&x, a + size - 8, 8);
        memcpy(&y, b + size - 8, 8);
        return x == y;
    }
    while (size-- > 0) {
        if (*a++ != *b++) return 0;
    }
    return 1;
}

/* Copy `size` bytes; with 16 to spare behind both, the short ones go in two words. */
static void copied(uint8_t *to, const uint8_t *from, int64_t size, int spare) {
    if (spare && size <= 16) {
        memcpy(to, from, 8);
        memcpy(to + 8, from + 8, 8);
    } else {
        memcpy(to, from, (size_t)size);
    }
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

/* What the text of a WHOLE value says: -1 for what is absent or negative, -2 for what is no whole number. */
static int64_t number(const uint8_t *first, const uint8_t *last) {
    int64_t value = 0;
    if (first == last || (last - first == 1 && *first == '-')) return -1;
    if (whole(first, last) != last) return -2;
    if (*first == '-') return -1;
    for (; first < last; first++) value = value * 10 + (*first - '0');
    return value;
}

/* Two words into one, so that nobody who does not know the key can make two texts meet. */
static uint64_t mixed(uint64_t a, uint64_t b) {
    const uint64_t al = a & 0xffffffffU, ah = a >> 32, bl = b & 0xffffffffU, bh = b >> 32;
    const uint64_t low = al * bl, one = ah * bl + (low >> 32), two = al * bh + (one & 0xffffffffU);
    return ((two << 32) | (low & 0xffffffffU)) ^ (ah * bh + (one >> 32) + (two >> 32));
}

static uint64_t hashed(uint64_t seed, const uint64_t *key, const uint8_t *first, const uint8_t *last) {
    uint64_t word = 0;
    seed = mixed(seed ^ key[0], (uint64_t)(last - first) ^ key[1]);
    for (; last - first >= 8; first += 8) {
        memcpy(&word, first, 8);
        seed = mixed(seed ^ key[0], word ^ key[1]);
    }
    word = 0;
    if (last > first) memcpy(&word, first, (size_t)(last - first));
    return mixed(seed ^ key[0], word ^ key[1]);
}

/* How many of the lines fit; `fitting` gets their rows. Lines from `*from` on are looked at, and *from is set to the
 * first that was not: one for which a text column has no room left, or `rows`.
 *
 * data, offsets: an Arrow string column of `rows` lines. literals, edges: values + 1 texts, one behind the other.
 * kind: BARE: a number without quotes; WHOLE: the line fits only with a whole number (of 13 digits: INSTANT), or where
 * it is absent. column: where each value goes, -1: nowhere. ends: the column's offsets as Arrow has them, the first of
 * which is set; texts, room: where its text goes, and how much there is; numbers: where a WHOLE value goes, -1 for one
 * that is absent. part, key, places: what is hashed for each line that fits, with which key, and where that goes.
 */
int64_t gatewatch_values(const uint8_t *data, const int32_t *offsets, int64_t rows, int64_t *from,
                      const uint8_t *literals, const int32_t *edges, int32_t values, const uint8_t *kind,
                      const int32_t *column, int32_t **ends, uint8_t **texts, const int64_t *room, int64_t **numbers,
                      const uint8_t *part, const uint64_t *key, uint64_t *places, int32_t *fitting) {
    const uint8_t *first[MOST], *last[MOST], *last_byte = data + offsets[rows];
    int64_t count = 0, row = *from;
    if (values > MOST) return 0;
    for (; row < rows; row++) {
        const uint8_t *at = data + offsets[row], *end = data + offsets[row + 1];
        uint64_t place = 0;
        int32_t i;
        int declared = 0, full = 0;
        if (end > at && end[-1] == '\n') end--;
        if (end > at && end[-1] == '\r') end--;
        for (i = 0;; i++) {
            const int64_t size = edges[i + 1] - edges[i];
            if (end - at < size || !same(at, literals + edges[i], size)) break;
            at += size;
            if (i == values) break;
            first[i] = at;
            at = kind[i] & BARE ? whole(at, end) : plain(at, end);
            if (at == NULL) break;
            last[i] = at;
        }
        if (i < values || at != end) continue;
        for (i = 0; i < values; i++) {
            if (column[i] < 0) continue;
            if (kind[i] & WHOLE) {
                const int64_t value = number(first[i], last[i]);
                if (value == -2 || (kind[i] & INSTANT && (value < 0 || last[i] - first[i] != 13))) break;
                numbers[column[i]][count] = value;
            } else {
                const int64_t size = last[i] - first[i], begin = ends[column[i]][count];
                if (size > room[column[i]] - begin) {
                    full = 1;
                    break;
                }
                copied(texts[column[i]] + begin, first[i], size, room[column[i]] - begin >= 16 && last_byte - first[i] >= 16);
                ends[column[i]][count + 1] = (int32_t)(begin + size);
            }
        }
        if (full) break;
        if (i < values) continue;
        if (places) {
            for (i = 0; i < values; i++) {
                if (part[i] & DECLARES && last[i] != first[i] && !(last[i] - first[i] == 1 && *first[i] == '-')) declared = 1;
            }
            for (i = 0; i < values; i++) {
                if (part[i] & ALWAYS || (part[i] & UNDECLARED && !declared)) place = hashed(place, key, first[i], last[i]);
            }
            places[count] = place;
        }
        fitting[count++] = (int32_t)row;
    }
    *from = row;
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
