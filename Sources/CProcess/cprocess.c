#include "cprocess.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

int cprocess_flush_output(void) {
    int failed = ferror(stdout);
    errno = 0;
    if (fflush(stdout) == 0 && !failed) return 0;
    return errno != 0 ? errno : -1;
}

long cprocess_raise_open_files(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return LONG_MAX;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > LONG_MAX) return LONG_MAX;
    return (long)limit.rlim_cur;
}

bool cprocess_is_ignored(int signal) {
    struct sigaction action;
    return sigaction(signal, NULL, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN;
}

void cprocess_signal_with_parent(int signal) {
#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, (unsigned long)signal, 0, 0, 0);
#else
    (void)signal;
#endif
}

// A signal handler may neither lock nor allocate: so the names lie in a table of fixed size.
enum { slots = 512, longest = 512 };
static struct {
    // 0: free. Written last when a slot is taken, first when it is given back.
    _Atomic uintptr_t start;
    size_t size;
    char path[longest];
} mappings[slots];
static atomic_flag changing = ATOMIC_FLAG_INIT;

static void lock(void) {
    while (atomic_flag_test_and_set_explicit(&changing, memory_order_acquire)) {}
}

static void unlock(void) { atomic_flag_clear_explicit(&changing, memory_order_release); }

void cprocess_add_mapping(const void *start, size_t size, const char *path) {
    lock();
    for (int i = 0; i < slots; i++) {
        if (atomic_load(&mappings[i].start) != 0) continue;
        mappings[i].size = size;
        strncpy(mappings[i].path, path, longest - 1);
        mappings[i].path[longest - 1] = 0;
        atomic_store(&mappings[i].start, (uintptr_t)start);
        break;
    }
    unlock();
}

void cprocess_remove_mapping(const void *start) {
    lock();
    for (int i = 0; i < slots; i++) {
        if (atomic_load(&mappings[i].start) == (uintptr_t)start) atomic_store(&mappings[i].start, 0);
    }
    unlock();
}

static void say(const char *text) {
    size_t length = strlen(text);
    while (length > 0) {
        ssize_t written = write(STDERR_FILENO, text, length);
        if (written <= 0) return;
        text += written;
        length -= (size_t)written;
    }
}

static void bus_error(int number, siginfo_t *info, void *context) {
    (void)context;
    uintptr_t address = (uintptr_t)info->si_addr;
    for (int i = 0; i < slots; i++) {
        uintptr_t start = atomic_load(&mappings[i].start);
        if (start == 0 || address < start || address - start >= mappings[i].size) continue;
        say("error: ");
        say(mappings[i].path);
        say(": was cut short or became unreadable while it was in use; restore it, and write a new file beside one that is "
            "in use instead of over it\n");
        _exit(1);
    }
    // No file of ours: let it end the process as it would have.
    signal(number, SIG_DFL);
    raise(number);
}

void cprocess_watch_mappings(void) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = bus_error;
    action.sa_flags = SA_SIGINFO;
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
