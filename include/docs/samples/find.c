#include <hubless.h>

static void on_rate(hubless_call *call, void *user) {
    (void)user;
    hubless_call_jsonf(call, "1.0862");
}

static void on_forecast(hubless_call *call, void *user) {
    (void)user;
    hubless_call_finalf(call, "sunny");
}

static void show(hubless_node *node, const char *how, const hubless_query *query) {
    hubless_agents *found = NULL;
    hubless_find(node, query, &found, NULL);
    printf("%s:", how);
    for (size_t i = 0; i < hubless_agents_count(found); i++) {
        hubless_found one = {.size = sizeof one};
        hubless_agents_get(found, i, &one, NULL);
        printf(" %.*s", (int)one.name.len, one.name.data);
    }
    printf("\n");
    hubless_agents_free(found);
}

int main(void) {
    hubless_node *node = hubless_default_node(NULL);
    hubless_agent_options rate = hubless_agent_named("rate", on_rate, NULL);
    rate.description = HUBLESS_STR("Exchange rate of a pair of currencies.");
    rate.skill_json = HUBLESS_STR("{\"id\": \"rate\", \"attributes\": {\"pair\": [\"EUR/USD\"]}}");
    hubless_agent_options forecast = hubless_agent_named("forecast", on_forecast, NULL);
    forecast.description = HUBLESS_STR("Weather of tomorrow in a city.");
    forecast.tags = HUBLESS_STR("outdoors");
    if (hubless_register(node, &rate, NULL, NULL) || hubless_register(node, &forecast, NULL, NULL))
        return 1;
    hubless_query words = {.size = sizeof words, .text = HUBLESS_STR("exchange rate")};
    hubless_query tag = {.size = sizeof tag, .tags = HUBLESS_STR("outdoors")};
    hubless_query fact = {.size = sizeof fact};
    fact.query_json = HUBLESS_STR("{\"filter\": {\"field\": \"attributes.pair\","
                                  " \"op\": \"contains\", \"value\": \"EUR/USD\"}}");
    show(node, "by words", &words);
    show(node, "by tag", &tag);
    show(node, "by fact", &fact);
    return hubless_node_close(node, 10000);
}
