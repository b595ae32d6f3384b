/* The content of a case, as the C API takes it. */
#ifndef RUNNER_CONTENT_H
#define RUNNER_CONTENT_H

#include "ask.h"

/* The content of a case, and what it is made of. */
typedef struct {
    hubless_content content;
    /* As many of each as there are parts, and one at least. */
    hubless_part *parts;
    char **texts;
    /* Metadata of the parts, and of the content behind them. */
    char **about;
    uint8_t **bytes;
    hubless_body **written;
    size_t *sizes;
    size_t room;
    size_t count;
} prepared;

/* Makes the content of a request; `content_drop` lets go of it. */
void content_prepare(const ask *what, prepared *made);
/* Writes the parts of a `prepared` that are streamed, on a thread of its own. */
void *content_write_all(void *made);
void content_drop(prepared *made);
/* Adds what stands in content to an outcome, in the form of the cases. */
void content_seen(json *out, const hubless_received *content);

#endif
