package dev.hubless

import java.time.Instant

/**
 * What a client of OpenAI's API is given in a handler: base URL and short-lived key of the node's
 * metering gateway.
 *
 * @property baseUrl base URL, as in `OPENAI_BASE_URL`
 * @property apiKey key, as in `OPENAI_API_KEY`; a secret, which [toString] leaves out
 * @property expires from when on the key begins nothing more
 * @sample dev.hubless.samples.ProviderSamples.provider
 */
public class Provider internal constructor(
    public val baseUrl: String,
    public val apiKey: String,
    public val expires: Instant,
) {
    override fun toString(): String = "Provider(baseUrl=$baseUrl, expires=$expires)"
}
