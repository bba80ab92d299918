/*
 * What procman asks of the system and valgrind cannot give it, for .ci/counts only: loaded before the C library.
 * Valgrind does not share memory between processes, and old ones know no pidfd.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MOST = 4096 };

/* Which process is looked for when a timer has run out. */
static pid_t watched[MOST];

/* All run out together, on the whole second: how many ends are one event is left to chance as little as can be. */
static void wind(int timer) {
    struct itimerspec next = {0};
    clock_gettime(CLOCK_MONOTONIC, &next.it_value);
    next.it_value.tv_sec++;
    next.it_value.tv_nsec = 0;
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &next, NULL);
}

/* Gives a timer for a pidfd: the end of a process is seen up to a second late, which costs few instructions. */
long syscall(long number, ...) {
    static long (*real)(long, ...);
    long words[6];
    va_list list;
    va_start(list, number);
    for (int i = 0; i < 6; i++) words[i] = va_arg(list, long);
    va_end(list);
    if (!real) real = dlsym(RTLD_NEXT, "syscall");
    if (number != SYS_pidfd_open) return real(number, words[0], words[1], words[2], words[3], words[4], words[5]);
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (timer < 0 || timer >= MOST) return errno = EMFILE, -1;
    watched[timer] = words[0];
    wind(timer);
    return timer;
}

/* Valgrind gives such a child a copy of the memory, and the stack of its parent. */
int clone(int (*run)(void *), void *stack, int flags, void *argument, ...) {
    pid_t pid = fork();
    if (pid == 0) _exit(run(argument));
    return pid;
}

int waitid(idtype_t type, id_t id, siginfo_t *info, int options) {
    static int (*real)(idtype_t, id_t, siginfo_t *, int);
    if (!real) real = dlsym(RTLD_NEXT, "waitid");
    if (type != P_PIDFD) return real(type, id, info, options);
    wind(id);
    return real(P_PID, watched[id], info, options);
}
