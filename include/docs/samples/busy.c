#include <hubless.h>
#include <semaphore.h>

static sem_t begun, over;
static hubless_call *drawing;

/* The first call is answered later, by main; those after it at once. */
static void on_draw(hubless_call *call, void *user) {
    (void)user;
    if (drawing == NULL) {
        drawing = call;
        sem_post(&begun);
    } else {
        hubless_call_finalf(call, "drawn");
    }
}

static void on_first(hubless_status status, hubless_reply *reply, const hubless_error *err,
                     void *user) {
    (void)status, (void)err, (void)user;
    hubless_reply_free(reply);
    sem_post(&over);
}

int main(void) {
    sem_init(&begun, 0, 0);
    sem_init(&over, 0, 0);
    hubless_node *node = hubless_default_node(NULL);
    hubless_str name = HUBLESS_STR("draw");
    hubless_content line = hubless_content_text(HUBLESS_STR("a line"));
    hubless_agent_options draw = hubless_agent_named("draw", on_draw, NULL);
    draw.requirements_json = HUBLESS_STR("{\"maxConcurrency\": 1, \"queue\": 0}");
    if (hubless_register(node, &draw, NULL, NULL) ||
        hubless_request_async(node, name, &line, NULL, on_first, NULL, NULL))
        return 1;
    sem_wait(&begun);
    hubless_error err = HUBLESS_ERROR_INIT;
    hubless_reply *reply = NULL;
    if (hubless_request(node, name, &line, NULL, &reply, &err) == HUBLESS_REJECTED)
        printf("%.*s/%.*s: %.*s\nagain after some time: %s\n", (int)err.name.len, err.name.data,
               (int)err.code.len, err.code.data, (int)err.message.len, err.message.data,
               err.retry == HUBLESS_RETRY_NEVER ? "no" : "yes");
    hubless_error_clear(&err);
    hubless_call_finalf(drawing, "drawn");
    sem_wait(&over);
    hubless_request_options again = {.size = sizeof again, .effect = HUBLESS_STR("PURE")};
    again.options_json = HUBLESS_STR("{\"retry\": {\"attempts\": 3, \"on\": [\"busy\"]}}");
    if (hubless_request(node, name, &line, &again, &reply, NULL))
        return 1;
    printf("%.*s\n", (int)hubless_reply_text(reply).len, hubless_reply_text(reply).data);
    hubless_reply_free(reply);
    return hubless_node_close(node, 10000);
}
