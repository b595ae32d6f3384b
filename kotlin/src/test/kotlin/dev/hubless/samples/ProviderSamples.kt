package dev.hubless.samples

import dev.hubless.ErrorKind
import dev.hubless.Provider
import dev.hubless.agent
import dev.hubless.failure
import dev.hubless.request
import dev.hubless.withNode
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

/** What the documentation of keys of a gateway shows. */
class ProviderSamples {
    /** Stands for a client of OpenAI's API. */
    private fun client(baseUrl: String, apiKey: String): String = "$baseUrl, $apiKey"

    @Test
    fun provider() = withNode {
        agent<String, String>("think") {
            val given: Provider = provider(maxOutput = 2_000, maxCost = 20_000)
            client(given.baseUrl, given.apiKey)
        }
        val refused = failure(ErrorKind.CONFIGURATION) { request<String>("think", "why?") }
        assertEquals("no_budget", refused.code)
    }
}
