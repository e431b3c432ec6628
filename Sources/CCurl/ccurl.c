#include "ccurl.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct ccurl_client {
    CURL *handle;
    const ccurl_request *request;
    char reason[CURL_ERROR_SIZE];
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void start_curl(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }

ccurl_client *ccurl_open(void) {
    pthread_once(&once, start_curl);
    ccurl_client *client = calloc(1, sizeof *client);
    if (client == NULL) return NULL;
    client->handle = curl_easy_init();
    if (client->handle == NULL) {
        free(client);
        return NULL;
    }
    return client;
}

void ccurl_close(ccurl_client *client) {
    if (client == NULL) return;
    curl_easy_cleanup(client->handle);
    free(client);
}

static size_t on_header(char *line, size_t size, size_t count, void *user) {
    const ccurl_request *request = ((ccurl_client *)user)->request;
    return request->header(request->context, line, size * count) ? size * count : 0;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *user) {
    const ccurl_request *request = ((ccurl_client *)user)->request;
    const size_t length = size * count;
    if (length == 0) return 0;
    return request->body(request->context, (const uint8_t *)bytes, length) ? length : 0;
}

static int on_poll(void *user, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d) {
    (void)a, (void)b, (void)c, (void)d;
    const ccurl_request *request = ((ccurl_client *)user)->request;
    return request->poll(request->context) ? 0 : 1;
}

static ccurl_outcome classify(CURLcode code) {
    switch (code) {
    case CURLE_OK: return CCURL_DONE;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT: return CCURL_UNREACHABLE;
    case CURLE_WRITE_ERROR:
    case CURLE_ABORTED_BY_CALLBACK: return CCURL_STOPPED;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_OUT_OF_MEMORY: return CCURL_REFUSED;
    default: return CCURL_BROKEN;
    }
}

ccurl_outcome ccurl_perform(ccurl_client *client, const ccurl_request *request) {
    CURL *handle = client->handle;
    struct curl_slist *headers = NULL;
    for (size_t i = 0; i < request->header_count; i++) {
        struct curl_slist *longer = curl_slist_append(headers, request->headers[i]);
        if (longer == NULL) {
            curl_slist_free_all(headers);
            strcpy(client->reason, "out of memory");
            return CCURL_REFUSED;
        }
        headers = longer;
    }
    client->request = request;
    client->reason[0] = 0;
    // Forgets the last request's options and keeps its connection.
    curl_easy_reset(handle);
    curl_easy_setopt(handle, CURLOPT_URL, request->url);
#if LIBCURL_VERSION_NUM >= 0x075500
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
#else
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    if (request->content_length > 0) {
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->content_length);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS, (const char *)request->content);
    }
    curl_easy_setopt(handle, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT, request->connect_seconds);
    curl_easy_setopt(handle, CURLOPT_BUFFERSIZE, 256L * 1024L);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, client->reason);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, client);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, client);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_poll);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, client);
    const CURLcode code = curl_easy_perform(handle);
    curl_slist_free_all(headers);
    client->request = NULL;
    if (code != CURLE_OK && client->reason[0] == 0) {
        strncpy(client->reason, curl_easy_strerror(code), sizeof client->reason - 1);
    }
    return classify(code);
}

const char *ccurl_reason(const ccurl_client *client) { return client->reason; }

const char *ccurl_redirect(ccurl_client *client) {
    char *url = NULL;
    curl_easy_getinfo(client->handle, CURLINFO_REDIRECT_URL, &url);
    return url;
}
