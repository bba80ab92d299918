/*
 * What a formation runs while it is measured.
 *
 *     load write LINES LENGTH BLOCK FILE WRITERS
 *                                      numbered lines of LENGTH bytes, in writes of BLOCK bytes; 0: each line by itself;
 *                                      ends when so many writers have noted in FILE that they are done
 *     load mark FILE                       notes the time, then waits
 *     load tick COUNT                      the time, once a millisecond
 *     load pace RATE LINES FILE            so many numbered lines a second, from when there is FILE
 *     load flood                           lines of 80 bytes for ever
 *     load idle                            waits
 *
 * Times are nanoseconds of CLOCK_MONOTONIC. FILE is appended to: times, or the CPU microseconds used.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000L + time.tv_nsec;
}

static void put(int file, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t written = write(file, bytes, size);
        if (written < 0) exit(1);
        bytes += written, size -= written;
    }
}

enum { NOTE = 20 };

static void note(const char *name, long value) {
    char text[32];
    int file = open(name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    put(file, text, sprintf(text, "%0*ld\n", NOTE - 1, value));
    close(file);
}

static long notes(const char *name) {
    struct stat status;
    return stat(name, &status) == 0 ? status.st_size / NOTE : 0;
}

static void lines(long count, size_t length, size_t block, const char *name) {
    size_t most = block > length ? block : length, filled = 0;
    char *bytes = malloc(most + length);
    for (long i = 0; i < count; i++) {
        char *line = bytes + filled;
        memset(line, 'x', length - 1);
        for (long number = i, at = 9; at >= 0; at--, number /= 10) line[at] = '0' + number % 10;
        line[10] = ' ';
        line[length - 1] = '\n';
        filled += length;
        if (filled + length > most || i + 1 == count) put(1, bytes, filled), filled = 0;
    }
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    note(name, (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000L + usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

int main(int argc, char **argv) {
    /* A tool that leaves processes behind shall not leave these for ever. */
    alarm(300);
    if (argc == 7 && strcmp(argv[1], "write") == 0) {
        /* The end of the first is a reason for many tools to end the others, which are to be done by then. */
        signal(SIGTERM, SIG_IGN);
        lines(atol(argv[2]), atol(argv[3]), atol(argv[4]), argv[5]);
        while (notes(argv[5]) < atol(argv[6])) usleep(1000);
    } else if (argc == 3 && strcmp(argv[1], "mark") == 0) {
        note(argv[2], now());
        pause();
    } else if (argc == 3 && strcmp(argv[1], "tick") == 0) {
        for (long i = atol(argv[2]); i > 0; i--) {
            char line[64];
            put(1, line, sprintf(line, "%ld\n", now()));
            usleep(1000);
        }
    } else if (argc == 5 && strcmp(argv[1], "pace") == 0) {
        long rate = atol(argv[2]);
        struct stat status;
        while (stat(argv[4], &status) != 0) usleep(1000);
        long began = now();
        for (long i = 0; i < atol(argv[3]); i++) {
            char line[64];
            long early = began + i * (1000000000L / rate) - now();
            if (early > 0) usleep(early / 1000);
            put(1, line, sprintf(line, "%ld paced\n", i));
        }
    } else if (argc == 2 && strcmp(argv[1], "flood") == 0) {
        static char block[80 * 800];
        memset(block, 'x', sizeof block);
        for (size_t at = 79; at < sizeof block; at += 80) block[at] = '\n';
        for (;;) put(1, block, sizeof block);
    } else if (argc == 2 && strcmp(argv[1], "idle") == 0) {
        pause();
    } else {
        return 2;
    }
    return 0;
}
