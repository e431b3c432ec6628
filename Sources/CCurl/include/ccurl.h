// libcurl behind one function, whose options are variadic and out of Swift's reach.
#ifndef CCURL_H
#define CCURL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/// A connection, kept from one request to the next; used by one thread at a time.
typedef struct ccurl_client ccurl_client;

typedef enum {
    CCURL_DONE,
    /// No connection came about.
    CCURL_UNREACHABLE,
    /// The connection broke, or what came over it is not HTTP.
    CCURL_BROKEN,
    /// The address or the server's certificate is refused: the same request never succeeds.
    CCURL_REFUSED,
    /// A callback ended it.
    CCURL_STOPPED,
} ccurl_outcome;

/// A request that follows no redirect: GET, or POST where it has content. The callbacks end it by returning false.
typedef struct {
    const char *url;
    /// Without any, the request is a GET.
    const uint8_t *content;
    size_t content_length;
    /// Lines such as "Range: bytes=5-".
    const char *const *headers;
    size_t header_count;
    long connect_seconds;
    void *context;
    /// Called with the lines before the body, the status line and the empty last one among them.
    bool (*header)(void *context, const char *line, size_t length);
    bool (*body)(void *context, const uint8_t *bytes, size_t length);
    /// Called about once a second and more often while bytes come.
    bool (*poll)(void *context);
} ccurl_request;

/// NULL without memory.
ccurl_client *ccurl_open(void);
void ccurl_close(ccurl_client *client);

ccurl_outcome ccurl_perform(ccurl_client *client, const ccurl_request *request);

/// Why the last request failed, in libcurl's words.
const char *ccurl_reason(const ccurl_client *client);

/// The whole address that the last answer redirects to, or NULL; lasts until the next request.
const char *ccurl_redirect(ccurl_client *client);

#endif
