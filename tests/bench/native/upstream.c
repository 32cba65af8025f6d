/* The provider behind every gateway: answers from memory, and writes paced streams by the clock.
 *
 *   upstream PORT FOLDER PROCESSES PACED_EVENTS
 *
 * FOLDER holds `chat` and `stream`, whole answers, and the parts of a paced one: `head`, `before` and
 * `after` (the moment of writing, CLOCK_MONOTONIC in nanoseconds, stands between them) and `ending`.
 * It cannot look into a body: its length says what is asked for. Streams are spread over the period:
 * each turn of the wheel writes to those whose phase it is. */
#include "wire.h"
#include <signal.h>
#include <sys/prctl.h>
#include <sys/timerfd.h>

#define PERIOD_NS 20000000 /* 50 events a second */
#define TURN_NS 250000
#define TURNS (PERIOD_NS / TURN_NS)
#define STREAM_FROM 4000
#define PACED_FROM 6000
#define PACED_UNTIL 8000
#define MOMENT_DIGITS 16

struct blob {
    char *data;
    size_t size;
};

struct conn {
    struct reader reader;
    int fd, events_left, turn;
    struct conn *next, *before; /* of its turn */
    struct blob unsent;
};

static struct blob chat, stream, head, before, after, ending;
static struct conn wheel[TURNS]; /* heads of rings */
static int poll_fd, paced_events, started;

static struct blob load(const char *folder, const char *name) {
    char path[4096];
    struct blob b = {malloc(1 << 20), 0};
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "rb");
    if (!file || !b.data) die(path);
    b.size = fread(b.data, 1, 1 << 20, file);
    fclose(file);
    return b;
}

static void leave_wheel(struct conn *c) {
    if (!c->next) return;
    c->before->next = c->next;
    c->next->before = c->before;
    c->next = c->before = NULL;
}

static void drop(struct conn *c) {
    leave_wheel(c);
    close(c->fd);
    free(c->unsent.data);
    free(c);
}

static void watch(struct conn *c, int writing) {
    struct epoll_event event = {EPOLLIN | EPOLLRDHUP | (writing ? EPOLLOUT : 0), {.ptr = c}};
    epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &event);
}

/* Write now what goes out now; the rest is kept and written when the other side has room. */
static void say(struct conn *c, const char *data, size_t size) {
    ssize_t sent = 0;
    if (!c->unsent.size) sent = send(c->fd, data, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) return; /* the poll tells of its end */
    if (sent < 0) sent = 0;
    size_t rest = size - (size_t)sent;
    if (!rest) return;
    c->unsent.data = realloc(c->unsent.data, c->unsent.size + rest);
    if (!c->unsent.data) die("realloc");
    memcpy(c->unsent.data + c->unsent.size, data + sent, rest);
    if (!c->unsent.size) watch(c, 1);
    c->unsent.size += rest;
}

static void say_unsent(struct conn *c) {
    ssize_t sent = send(c->fd, c->unsent.data, c->unsent.size, MSG_NOSIGNAL);
    if (sent <= 0) return;
    c->unsent.size -= (size_t)sent;
    memmove(c->unsent.data, c->unsent.data + sent, c->unsent.size);
    if (!c->unsent.size) watch(c, 0);
}

static void answer(struct conn *c) {
    uint64_t size = c->reader.body_bytes;
    if (size >= STREAM_FROM && size < PACED_FROM) {
        say(c, stream.data, stream.size);
    } else if (size >= PACED_FROM && size < PACED_UNTIL) {
        say(c, head.data, head.size);
        c->events_left = paced_events;
        c->turn = (int)(started++ * 49ll % TURNS); /* 49 and 80 share no factor: all phases */
        struct conn *ring = &wheel[c->turn];
        c->next = ring->next;
        c->before = ring;
        ring->next->before = c;
        ring->next = c;
    } else {
        say(c, chat.data, chat.size);
    }
}

static void write_event(struct conn *c) {
    char text[8192];
    size_t at = before.size;
    memcpy(text, before.data, at);
    at += (size_t)sprintf(text + at, "%0*llu", MOMENT_DIGITS, (unsigned long long)now_ns());
    memcpy(text + at, after.data, after.size);
    at += after.size;
    if (--c->events_left == 0) {
        leave_wheel(c);
        memcpy(text + at, ending.data, ending.size);
        at += ending.size;
    }
    say(c, text, at);
}

static void turn_wheel(int timer) {
    static unsigned long long turn;
    uint64_t due;
    if (read(timer, &due, sizeof due) != sizeof due) return;
    for (; due; due--) {
        struct conn *ring = &wheel[turn++ % TURNS], *c = ring->next;
        while (c != ring) {
            struct conn *next = c->next;
            write_event(c);
            c = next;
        }
    }
}

static void take_in(struct conn *c) {
    static char data[1 << 18];
    ssize_t size = recv(c->fd, data, sizeof data, 0);
    if (size == 0 || (size < 0 && errno != EAGAIN)) {
        drop(c);
        return;
    }
    for (ssize_t at = 0; at < size;) {
        at += (ssize_t)feed(&c->reader, data + at, (size_t)(size - at), NULL, NULL);
        if (c->reader.state == BROKEN) {
            drop(c);
            return;
        }
        if (c->reader.state == DONE) {
            answer(c);
            begin(&c->reader);
        }
    }
}

static void welcome(int door) {
    int fd;
    while ((fd = accept(door, NULL, NULL)) >= 0) {
        struct conn *c = calloc(1, sizeof *c);
        if (!c) die("calloc");
        c->fd = fd;
        prepare_socket(fd);
        struct epoll_event event = {EPOLLIN | EPOLLRDHUP, {.ptr = c}};
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event);
    }
}

static int open_door(int port) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&at, sizeof at) || listen(fd, 4096)) die("listen");
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void serve(int port) {
    int door = open_door(port), timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct itimerspec each = {{0, TURN_NS}, {0, TURN_NS}};
    struct epoll_event ready[256], event = {EPOLLIN, {.ptr = &door}};
    prctl(PR_SET_TIMERSLACK, 1000);
    poll_fd = epoll_create1(0);
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, door, &event);
    event.data.ptr = &timer;
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, timer, &event);
    for (int i = 0; i < TURNS; i++) wheel[i].next = wheel[i].before = &wheel[i];
    for (int ticking = 0;;) {
        int wanted = 0, count = epoll_wait(poll_fd, ready, 256, -1), turns = 0;
        for (int i = 0; i < count; i++) {
            void *whose = ready[i].data.ptr;
            if (whose == &door) welcome(door);
            else if (whose == &timer) turns = 1;
            else if (ready[i].events & EPOLLOUT && !(ready[i].events & EPOLLIN)) say_unsent(whose);
            else take_in(whose);
        }
        if (turns) turn_wheel(timer); /* after the rest: it may drop nobody that is in `ready` */
        for (int i = 0; i < TURNS && !wanted; i++) wanted = wheel[i].next != &wheel[i];
        if (wanted != ticking) { /* no wheel turns for nobody */
            struct itimerspec none = {{0, 0}, {0, 0}};
            timerfd_settime(timer, 0, wanted ? &each : &none, NULL);
            ticking = wanted;
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 5) {
        fputs("upstream PORT FOLDER PROCESSES PACED_EVENTS\n", stderr);
        return 2;
    }
    chat = load(argv[2], "chat"), stream = load(argv[2], "stream"), head = load(argv[2], "head");
    before = load(argv[2], "before"), after = load(argv[2], "after");
    ending = load(argv[2], "ending"), paced_events = atoi(argv[4]);
    for (int i = 1; i < atoi(argv[3]); i++) {
        pid_t parent = getpid();
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGTERM);
            if (getppid() != parent) return 0;
            break;
        }
    }
    serve(atoi(argv[1]));
}
