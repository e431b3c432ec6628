// What Swift cannot call of the C library: variadic functions, the standard streams, handlers that get details.
#ifndef CPROCESS_H
#define CPROCESS_H

#include <stdbool.h>
#include <stddef.h>

/// Writes out what standard output's stream holds. Returns 0, or the system's number of what went wrong; -1 when an
/// earlier attempt failed.
int cprocess_flush_output(void);

/// Raises the number of files that this process may have open to the most that it may raise it to; returns that.
long cprocess_raise_open_files(void);

/// Whether the process that started this one had the signal ignored, as `nohup` does with SIGHUP.
bool cprocess_is_ignored(int signal);

/// Has the system send this process `signal` when the thread that started it ends; does nothing outside Linux.
void cprocess_signal_with_parent(int signal);

/// Names a file that is mapped at `start` for `cprocess_watch_mappings`. Past a fixed number of files it does nothing.
void cprocess_add_mapping(const void *start, size_t size, const char *path);

/// Forgets a mapping, before it is undone.
void cprocess_remove_mapping(const void *start);

/// From now on a mapped file that is cut short, or whose disk fails, ends the process with one line that names it and
/// exit status 1, in place of a crash.
void cprocess_watch_mappings(void);

#endif
