/* A whole program in C: a mesh for one test, and a fake peer that is asked in it. */
#include <hubless.h>

#include <stdio.h>

int main(void) {
    hubless_testing_mesh *mesh = NULL;
    hubless_node_options options = {.size = sizeof options};
    hubless_testing_options fake = {.size = sizeof fake, .name = HUBLESS_STR("weather")};
    hubless_content content = hubless_content_text(HUBLESS_STR("Oslo"));
    hubless_node *node = NULL;
    hubless_agent *agent = NULL;
    hubless_reply *reply = NULL;
    fake.script_json = HUBLESS_STR("{\"otherwise\": {\"answer\": {\"value\": \"7\"}}}");
    if (hubless_testing_mesh_new(&mesh, NULL) != HUBLESS_OK) {
        return 1;
    }
    options.testing = mesh;
    if (hubless_node_start(&options, &node, NULL) != HUBLESS_OK ||
        hubless_testing_peer(node, &fake, &agent, NULL) != HUBLESS_OK ||
        hubless_request(node, HUBLESS_STR("weather"), &content, NULL, &reply, NULL) !=
            HUBLESS_OK) {
        return 2;
    }
    hubless_str text = hubless_reply_text(reply);
    printf("the fake said %.*s\n", (int)text.len, text.data);
    hubless_reply_free(reply);
    hubless_agent_free(agent);
    return hubless_node_close(node, 0) == HUBLESS_OK &&
                   hubless_testing_mesh_free(mesh) == HUBLESS_OK
               ? 0
               : 3;
}
