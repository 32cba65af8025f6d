/* A load generator that is cheaper than anything it measures. One result is one line of JSON.
 *
 *   load open    HOST PORT RATE  TOTAL CONNECTIONS WITHIN_S REQUEST[:WEIGHT]...
 *   load closed  HOST PORT 0     TOTAL CONNECTIONS WITHIN_S REQUEST[:WEIGHT]...
 *   load streams HOST PORT 0     0     CONNECTIONS WITHIN_S REQUEST
 *
 * REQUEST is a file with head and body. `open` sends by the clock, whatever the answers do: latency
 * counts from the moment a request was due, also while it waits for a free connection; a failure
 * and what is never answered count as infinitely slow. How late it was although a connection was free
 * is the generator's own fault, told as lag. `closed` sends the next request when an answer is whole,
 * until TOTAL are sent or, with a RATE, that many seconds are over.
 * `streams` sends one request on each connection and reads, out of each event, when it was written. */
#include "wire.h"
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define NEVER 1000000000000ull
#define KINDS_MAX 8
#define PATTERN 1000
#define MOMENT_DIGITS_MIN 9
#define MOMENT "\"content\":\""

struct request {
    char *data;
    size_t size;
    int weight;
};

struct conn {
    struct reader reader;
    int fd, busy, kind;
    const char *unsent;
    size_t unsent_bytes;
    uint64_t due;
    size_t matched; /* of MOMENT */
    uint64_t moment;
    int digits;
};

struct sample {
    uint64_t took;
    int kind;
};

static enum { OPEN, CLOSED, STREAMS } mode;
static struct sockaddr_in target;
static struct request requests[KINDS_MAX];
static unsigned char pattern[PATTERN];
static int kinds, poll_fd, alive;
static struct conn **idle; /* a ring of those that are free */
static size_t idle_first, idle_count, size_conns;
static uint64_t *waiting; /* when those that found no connection were due, and how many there were */
static size_t waiting_first, waiting_count, sent, total, done, failed;
static struct sample *samples;
static uint64_t *lags, *delays;
static size_t lag_count, delay_count, delay_room;

static void read_request(char *word) {
    struct request *r = &requests[kinds++];
    char *weight = strrchr(word, ':');
    r->weight = weight ? atoi(weight + 1) : 1;
    if (weight) *weight = 0;
    r->data = malloc(1 << 22);
    FILE *file = fopen(word, "rb");
    if (!file || !r->data) die(word);
    r->size = fread(r->data, 1, 1 << 22, file);
    fclose(file);
}

/* Kinds in turn, each as often as its weight, spread evenly: whoever is most behind comes next. */
static void make_pattern(void) {
    long owed[KINDS_MAX] = {0}, all = 0;
    for (int k = 0; k < kinds; k++) all += requests[k].weight;
    for (int i = 0; i < PATTERN; i++) {
        int most = 0;
        for (int k = 0; k < kinds; k++) owed[k] += requests[k].weight;
        for (int k = 1; k < kinds; k++)
            if (owed[k] > owed[most]) most = k;
        owed[most] -= all;
        pattern[i] = (unsigned char)most;
    }
}

static int join(struct conn *c) {
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(c->fd, (struct sockaddr *)&target, sizeof target)) {
        close(c->fd);
        c->fd = -1;
        return 0;
    }
    prepare_socket(c->fd);
    struct epoll_event event = {EPOLLIN, {.ptr = c}};
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event);
    begin(&c->reader);
    return 1;
}

static void watch(struct conn *c, int writing) {
    struct epoll_event event = {EPOLLIN | (writing ? EPOLLOUT : 0), {.ptr = c}};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

static void push(struct conn *c) {
    ssize_t part = send(c->fd, c->unsent, c->unsent_bytes, MSG_NOSIGNAL);
    if (part < 0) return; /* the poll tells of its end */
    c->unsent += part;
    c->unsent_bytes -= (size_t)part;
}

static void ask(struct conn *c, uint64_t due, size_t number) {
    c->kind = pattern[number % PATTERN];
    c->busy = 1;
    c->due = due;
    c->unsent = requests[c->kind].data;
    c->unsent_bytes = requests[c->kind].size;
    begin(&c->reader);
    push(c);
    if (c->unsent_bytes) watch(c, 1);
}

static void release(struct conn *c);

static void note(struct conn *c, uint64_t took) {
    if (done < total) samples[done] = (struct sample){took, c->kind};
    done++;
    failed += took == NEVER;
    c->busy = 0;
}

/* `idling`: it stands in the ring still. */
static void part_with(struct conn *c, int idling) {
    close(c->fd);
    c->fd = -1;
    if (c->busy) note(c, NEVER);
    if (mode == STREAMS || !join(c)) alive--;
    else if (!idling) release(c);
}

/* It is free: what has waited longest goes first. */
static void release(struct conn *c) {
    if (mode == CLOSED && sent < total) {
        size_t number = sent++;
        ask(c, now_ns(), number);
    } else if (waiting_count) {
        uint64_t due = waiting[waiting_first];
        size_t number = sent - waiting_count;
        waiting_first = (waiting_first + 1) % total;
        waiting_count--;
        ask(c, due, number);
    } else {
        idle[(idle_first + idle_count++) % size_conns] = c;
    }
}

static struct conn *find_idle(void) {
    while (idle_count) {
        struct conn *c = idle[idle_first];
        idle_first = (idle_first + 1) % size_conns;
        idle_count--;
        if (c->fd >= 0) return c;
    }
    return NULL;
}

static void send_due(uint64_t due) {
    struct conn *c = find_idle();
    size_t number = sent++;
    if (c) {
        ask(c, due, number);
        lags[lag_count++] = now_ns() - due;
    } else {
        waiting[(waiting_first + waiting_count++) % total] = due;
    }
}

static void note_delay(uint64_t delay) {
    if (delay_count == delay_room) {
        delay_room = delay_room ? delay_room * 2 : 1 << 16;
        delays = realloc(delays, delay_room * sizeof *delays);
        if (!delays) die("realloc");
    }
    delays[delay_count++] = delay;
}

/* Moments stand between MOMENT and a quote; they may come in pieces. */
static void find_moments(void *whose, const char *data, size_t size) {
    struct conn *c = whose;
    uint64_t now = now_ns();
    for (size_t i = 0; i < size; i++) {
        char x = data[i];
        if (c->matched == sizeof MOMENT - 1) {
            if (x >= '0' && x <= '9') {
                c->moment = c->moment * 10 + (uint64_t)(x - '0');
                c->digits++;
                continue;
            }
            if (x == '"' && c->digits >= MOMENT_DIGITS_MIN) note_delay(now - c->moment);
            c->matched = 0;
        }
        if (x == MOMENT[c->matched]) c->matched++;
        else c->matched = x == MOMENT[0];
        if (c->matched == sizeof MOMENT - 1) c->moment = 0, c->digits = 0;
    }
}

static void take_in(struct conn *c) {
    static char data[1 << 18];
    if (c->fd < 0) return;
    ssize_t size = recv(c->fd, data, sizeof data, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0 || !c->busy) {
        part_with(c, !c->busy);
        return;
    }
    shown show = mode == STREAMS ? find_moments : NULL;
    feed(&c->reader, data, (size_t)size, show, c);
    if (c->reader.state == BROKEN) {
        part_with(c, 0);
    } else if (c->reader.state == DONE) {
        note(c, c->reader.status == 200 && !c->unsent_bytes ? now_ns() - c->due : NEVER);
        if (c->reader.closes || c->unsent_bytes) part_with(c, 0);
        else if (mode != STREAMS) release(c);
    }
}

static void poll_once(int64_t wait_ns) {
    struct epoll_event ready[256];
    struct timespec until = {wait_ns / 1000000000, wait_ns % 1000000000};
    int count = (int)syscall(SYS_epoll_pwait2, poll_fd, ready, 256, &until, NULL, 0);
    if (count < 0 && errno == ENOSYS)
        count = epoll_wait(poll_fd, ready, 256, (int)((wait_ns + 999999) / 1000000));
    for (int i = 0; i < count; i++) {
        struct conn *c = ready[i].data.ptr;
        if (c->fd >= 0 && c->busy && c->unsent_bytes && ready[i].events & EPOLLOUT) {
            push(c);
            if (!c->unsent_bytes) watch(c, 0);
        }
        if (ready[i].events & ~(uint32_t)EPOLLOUT) take_in(c);
    }
}

static uint64_t cpu_ns(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    uint64_t s = (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec);
    return s * 1000000000u + (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000u;
}

static int ascending(const void *a, const void *b) {
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* The nearest-rank percentile of sorted values. */
static uint64_t at_share(const uint64_t *sorted, size_t count, double share) {
    size_t rank = (size_t)(share * (double)count);
    return count ? sorted[rank < count ? rank : count - 1] : 0;
}

static void tell(const char *name, uint64_t *values, size_t count) {
    qsort(values, count, sizeof *values, ascending);
    printf("\"%s\": {\"count\": %zu, \"p50_ns\": %llu, \"p99_ns\": %llu, \"max_ns\": %llu}", name,
           count, (unsigned long long)at_share(values, count, 0.50),
           (unsigned long long)at_share(values, count, 0.99),
           (unsigned long long)at_share(values, count, 1.0));
}

static void tell_all(uint64_t took, uint64_t used) {
    size_t unanswered = total > done ? total - done : 0, counted = done < total ? done : total;
    uint64_t *values = malloc((total + 1) * sizeof *values);
    if (!values) die("malloc");
    printf("{\"requests\": %zu, \"failed\": %zu, \"unanswered\": %zu, \"took_ns\": %llu, ", total,
           failed, unanswered, (unsigned long long)took);
    printf("\"generator_cpu\": %.4f, ", (double)used / (double)(took ? took : 1));
    for (int k = -1; k < kinds; k++) {
        size_t n = 0;
        char name[16];
        snprintf(name, sizeof name, k < 0 ? "all" : "kind %d", k);
        for (size_t i = 0; i < counted; i++)
            if (k < 0 || samples[i].kind == k) values[n++] = samples[i].took;
        for (size_t i = done; i < total; i++)
            if (k < 0 || pattern[i % PATTERN] == k) values[n++] = NEVER;
        tell(name, values, n);
        fputs(", ", stdout);
    }
    tell("lag", lags, lag_count);
    fputs(", ", stdout);
    tell("delay", delays, delay_count);
    puts("}");
}

static void run_by_clock(double rate, uint64_t within) {
    uint64_t start = now_ns(), end = start + (uint64_t)((double)total * 1e9 / rate) + within;
    while (done < total && alive > 0) {
        uint64_t now = now_ns(), due;
        while (sent < total && (due = start + (uint64_t)((double)sent * 1e9 / rate)) <= now)
            send_due(due);
        if (now >= end) break;
        due = sent < total ? start + (uint64_t)((double)sent * 1e9 / rate) : end;
        now = now_ns();
        poll_once(due > now ? (int64_t)(due - now) : 0);
    }
}

static void run_by_answers(double for_s, uint64_t within) {
    uint64_t now = now_ns(), stop = now + (uint64_t)(for_s * 1e9);
    uint64_t end = now + (uint64_t)(for_s * 1e9) + within;
    while (idle_count && sent < total) {
        struct conn *c = find_idle();
        if (c) ask(c, now_ns(), sent++);
    }
    while (done < total && alive > 0 && (now = now_ns()) < end) {
        if (for_s > 0 && now >= stop) total = sent; /* no more; those under way are awaited */
        if (done < total) poll_once((int64_t)((for_s > 0 && now < stop ? stop : end) - now));
    }
}

int main(int argc, char **argv) {
    if (argc < 9) {
        fputs("load open|closed|streams HOST PORT RATE TOTAL CONNECTIONS WITHIN_S REQUEST...\n", stderr);
        return 2;
    }
    mode = argv[1][0] == 'o' ? OPEN : argv[1][0] == 'c' ? CLOSED : STREAMS;
    target.sin_family = AF_INET;
    target.sin_port = htons((uint16_t)atoi(argv[3]));
    inet_pton(AF_INET, argv[2], &target.sin_addr);
    size_conns = (size_t)atoll(argv[6]);
    total = mode == STREAMS ? size_conns : (size_t)atoll(argv[5]);
    for (int i = 8; i < argc && kinds < KINDS_MAX; i++) read_request(argv[i]);
    make_pattern();
    prctl(PR_SET_TIMERSLACK, 1000);
    poll_fd = epoll_create1(0);
    struct conn *conns = calloc(size_conns, sizeof *conns);
    idle = calloc(size_conns, sizeof *idle), samples = calloc(total, sizeof *samples);
    waiting = calloc(total, sizeof *waiting), lags = calloc(total, sizeof *lags);
    if (!conns || !idle || !samples || !waiting || !lags) die("calloc");
    for (size_t i = 0; i < size_conns; i++) {
        if (!join(&conns[i])) continue;
        alive++;
        idle[idle_count++] = &conns[i];
    }
    uint64_t began = now_ns(), cpu = cpu_ns(), within = (uint64_t)(atof(argv[7]) * 1e9);
    if (mode == OPEN) run_by_clock(atof(argv[4]), within);
    else run_by_answers(atof(argv[4]), within);
    tell_all(now_ns() - began, cpu_ns() - cpu);
    return 0;
}
