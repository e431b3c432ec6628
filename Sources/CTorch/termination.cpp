// C++ exceptions that nobody catches: on a thread of libtorch's, or while memory is so short that its own handling fails.
#include "include/ctorch.h"

#include <cstring>
#include <exception>
#include <new>
#include <unistd.h>

namespace {
void say(const char *text) {
    // Only what needs no memory.
    if (write(STDERR_FILENO, text, strlen(text)) < 0) _exit(1);
}

[[noreturn]] void end() {
    try {
        if (auto exception = std::current_exception()) std::rethrow_exception(exception);
        say("error: the process was ended by libtorch without a reason");
    } catch (const std::bad_alloc &) {
        say("error: out of memory; take smaller batches or images, fewer threads, or a machine with more memory");
    } catch (const std::exception &exception) {
        say("error: libtorch failed: ");
        say(exception.what());
    } catch (...) {
        say("error: libtorch failed");
    }
    say("\n");
    _exit(1);
}
} // namespace

extern "C" void ct_explain_termination(void) { std::set_terminate(end); }
