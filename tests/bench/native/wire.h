/* What the upstream and the load generator share: the clock, sockets, and reading HTTP/1.1 messages
 * piece by piece. A head is kept, a body is only counted and shown; nothing is decoded. */
#ifndef WIRE_H
#define WIRE_H
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define HEAD_MAX 16384

enum state { HEAD, LENGTH, CHUNK_SIZE, CHUNK_DATA, CHUNK_END, TRAILERS, DONE, BROKEN };

struct reader {
    enum state state;
    size_t head_bytes, line; /* of the head so far; of a trailer's line so far */
    uint64_t left, body_bytes;
    int status, closes, in_extension; /* status 0: a request */
    char head[HEAD_MAX];
};

typedef void (*shown)(void *owner, const char *data, size_t size);

static inline uint64_t now_ns(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static inline void die(const char *what) {
    perror(what);
    exit(2);
}

static inline void prepare_socket(int fd) {
    int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
}

static inline void begin(struct reader *r) {
    r->state = HEAD;
    r->head_bytes = r->line = 0;
    r->left = r->body_bytes = 0;
    r->status = r->closes = r->in_extension = 0;
}

/* The head is whole: how its body comes, and whether the connection is kept. */
static inline void judge(struct reader *r) {
    int has_length = 0, chunked = 0;
    char *line = r->head, *end = r->head + r->head_bytes;
    if (!strncmp(line, "HTTP/1.", 7)) r->status = atoi(line + 9);
    while ((line = memchr(line, '\n', (size_t)(end - line))) && ++line < end) {
        if (!strncasecmp(line, "content-length:", 15)) {
            r->left = strtoull(line + 15, NULL, 10);
            has_length = 1;
        } else if (!strncasecmp(line, "transfer-encoding:", 18)) {
            chunked = 1;
        } else if (!strncasecmp(line, "connection:", 11)) {
            r->closes = !strncasecmp(line + 11 + strspn(line + 11, " "), "close", 5);
        }
    }
    if (chunked) {
        r->left = 0;
        r->state = CHUNK_SIZE;
    } else if (has_length || !r->status || r->status == 204 || r->status == 304) {
        r->state = r->left ? LENGTH : DONE;
    } else {
        r->state = BROKEN; /* it would last as long as the connection, which nobody sends here */
    }
}

static inline size_t feed_head(struct reader *r, const char *data, size_t size) {
    size_t before = r->head_bytes, room = HEAD_MAX - 1 - before;
    size_t taken = size < room ? size : room, from = before > 3 ? before - 3 : 0;
    memcpy(r->head + before, data, taken);
    r->head[before + taken] = 0;
    char *end = memmem(r->head + from, before + taken - from, "\r\n\r\n", 4);
    if (!end) {
        r->head_bytes += taken;
        if (taken < size) r->state = BROKEN;
        return taken;
    }
    r->head_bytes = (size_t)(end - r->head) + 4;
    r->head[r->head_bytes] = 0;
    judge(r);
    return r->head_bytes - before;
}

static inline void feed_size(struct reader *r, char c) {
    if (c == '\n') {
        r->state = r->left ? CHUNK_DATA : TRAILERS;
        r->line = 0;
        r->in_extension = 0;
    } else if (c == ';' || c == '\r' || c == ' ') {
        r->in_extension = 1;
    } else if (!r->in_extension) {
        int low = c | 32, digit = low >= 'a' ? low - 'a' + 10 : c - '0';
        if (digit < 0 || digit > 15 || r->left >> 40) r->state = BROKEN;
        r->left = r->left * 16 + (uint64_t)digit;
    }
}

/* Take in what came; how much of it belongs to this message. Stops at DONE and BROKEN. */
static inline size_t feed(struct reader *r, const char *data, size_t size, shown show, void *owner) {
    size_t at = 0;
    while (at < size && r->state < DONE) {
        if (r->state == HEAD) {
            at += feed_head(r, data + at, size - at);
        } else if (r->state == LENGTH || r->state == CHUNK_DATA) {
            size_t part = size - at < r->left ? size - at : (size_t)r->left;
            if (show) show(owner, data + at, part);
            at += part;
            r->left -= part;
            r->body_bytes += part;
            if (!r->left) r->state = r->state == LENGTH ? DONE : CHUNK_END;
        } else if (r->state == CHUNK_SIZE) {
            feed_size(r, data[at++]);
        } else if (r->state == CHUNK_END) {
            if (data[at++] == '\n') r->state = CHUNK_SIZE;
        } else if (data[at] == '\n' && !r->line) {
            at++;
            r->state = DONE;
        } else {
            r->line = data[at] == '\n' ? 0 : r->line + (data[at] != '\r');
            at++;
        }
    }
    return at;
}

#endif
