/*
 * The ceiling: about the least that a multiplexer of lines can cost, to measure procman against.
 *
 *     ceiling [-x] COMMAND...
 *
 * Starts a process for each command, by `/bin/sh -c COMMAND` or, with -x, by splitting it at blanks, and writes
 * their lines behind a prefix with time and name. SIGTERM is passed on to all; it ends when all have ended.
 * It supervises nothing, forgives nothing and handles no fault: a supervisor has to do more than this.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { READ = 256 * 1024, BATCH = 256 * 1024, HOT_PIPES = 16, LITTLE = 4096 };

struct stream {
    int pipe;
    pid_t pid;
    char name[16];
    size_t held;
    char *buffer;
};

extern char **environ;
static struct stream *streams;
static int count;
static char batch[BATCH + 2 * READ];
static size_t filled;

static void stop(int signal) {
    int saved = errno;
    for (int i = 0; i < count; i++)
        if (streams[i].pid > 0) kill(-streams[i].pid, signal);
    errno = saved;
}

static void flush(void) {
    for (size_t at = 0; at < filled;) {
        ssize_t written = write(1, batch + at, filled - at);
        if (written > 0) at += written;
        else if (errno != EINTR) exit(1);
    }
    filled = 0;
}

static const char *stamp(void) {
    static char text[16];
    static time_t shown;
    time_t now = time(NULL);
    if (now != shown) {
        shown = now;
        strftime(text, sizeof text, "%H:%M:%S", localtime(&now));
    }
    return text;
}

/* Passes on the whole lines of what has been read. */
static void lines(struct stream *stream, size_t length) {
    char prefix[64];
    size_t width = sprintf(prefix, "%s %-8s | ", stamp(), stream->name);
    char *line = stream->buffer, *end = line + length, *newline;
    while ((newline = memchr(line, '\n', end - line))) {
        size_t size = newline + 1 - line;
        if (filled + width + size > sizeof batch) flush();
        memcpy(batch + filled, prefix, width);
        memcpy(batch + filled + width, line, size);
        filled += width + size;
        line = newline + 1;
    }
    stream->held = end - line;
    if (stream->held == READ) exit(1);
    memmove(stream->buffer, line, stream->held);
    if (filled >= BATCH) flush();
}

static void spawn(struct stream *stream, char **arguments) {
    int ends[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (pipe2(ends, O_CLOEXEC) != 0) exit(1);
    if (count <= HOT_PIPES) fcntl(ends[0], F_SETPIPE_SZ, READ);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
    posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    if (posix_spawn(&stream->pid, arguments[0], &actions, &attributes, arguments, environ) != 0) exit(127);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    stream->pipe = ends[0];
    stream->buffer = malloc(READ);
}

int main(int argc, char **argv) {
    int direct = argc > 1 && strcmp(argv[1], "-x") == 0;
    char **commands = argv + 1 + direct;
    count = argc - 1 - direct;

    streams = calloc(count, sizeof *streams);
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    sigaction(SIGTERM, &action, NULL);
    int poll = epoll_create1(EPOLL_CLOEXEC), open = 0;
    for (; open < count; open++) {
        char *shell[] = {"/bin/sh", "-c", commands[open], NULL}, *words[64];
        int used = 0;
        if (direct)
            for (char *word = strtok(commands[open], " "); word && used < 63; word = strtok(NULL, " "))
                words[used++] = word;
        words[used] = NULL;
        sprintf(streams[open].name, "w%d.1", open + 1);
        spawn(&streams[open], direct ? words : shell);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &streams[open]};
        epoll_ctl(poll, EPOLL_CTL_ADD, streams[open].pipe, &event);
    }
    fcntl(1, F_SETPIPE_SZ, 1024 * 1024);
    int gather = 0;
    while (open > 0) {
        struct epoll_event events[64];
        /* When little came again and again, a moment's pause lets more come together. */
        if (gather > 2) nanosleep(&(struct timespec){.tv_nsec = 20000}, NULL);
        struct timespec before, after;
        clock_gettime(CLOCK_MONOTONIC, &before);
        int ready = epoll_wait(poll, events, 64, -1);
        clock_gettime(CLOCK_MONOTONIC, &after);
        long waited = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
        ssize_t most = 0;
        for (int i = 0; i < ready; i++) {
            struct stream *stream = events[i].data.ptr;
            ssize_t length = read(stream->pipe, stream->buffer + stream->held, READ - stream->held);
            if (length > most) most = length;
            if (length > 0) lines(stream, stream->held + length);
            else if (length == 0) close(stream->pipe), open--;
        }
        gather = most < LITTLE * 4 && waited < 100000 ? gather + 1 : 0;
        if (filled) flush();
    }
    for (int i = 0; i < count; i++) waitpid(streams[i].pid, NULL, 0);
    return 0;
}
