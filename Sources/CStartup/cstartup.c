// How long threads wait for work, settled before the OpenMP runtime begins.
//
// At the end of every operator the threads of libgomp wait for each other, by default in a loop of 300,000 rounds before they
// sleep. While another process has the processor of one, the others spin for that long at each operator, in time that the
// one could have: beside busy processes a training step of two threads took up to ten times as long. Here they go round
// 1,000 times, as libgomp has it by itself where a program has more threads than processors. None at all would cost an idle
// machine: every operator would wake its threads through the system.
//
// libgomp reads the environment when it is loaded, and never again. An executable's preinit functions run before any library
// begins, but the C library takes the environment from the kernel after them: what is set here would be lost. So the
// program is begun again with the variable set, which takes no longer than it took to load it: milliseconds.

#if defined(__linux__)

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char spins[] = "GOMP_SPINCOUNT=1000";

static int begins(const char *text, const char *name) { return strncmp(text, name, strlen(name)) == 0; }

static void settle_waiting(int count, char **arguments, char **environment) {
    (void)count;
    size_t variables = 0;
    for (; environment[variables]; variables++) {
        // The user's own choice, or the program begun again.
        if (begins(environment[variables], "GOMP_SPINCOUNT=") || begins(environment[variables], "OMP_WAIT_POLICY=")) return;
    }
    // By its own path, so that lists of processes show its name.
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0 || length == (ssize_t)sizeof path - 1) return;
    path[length] = 0;
    // The C library is not ready yet to allocate memory.
    const char *changed[variables + 2];
    memcpy(changed, environment, variables * sizeof *changed);
    changed[variables] = spins;
    changed[variables + 1] = NULL;
    // Where that fails, the program runs on as it is.
    execve(path, arguments, (char *const *)changed);
}

__attribute__((section(".preinit_array"), used)) static void (*const settle)(int, char **, char **) = settle_waiting;

#endif
