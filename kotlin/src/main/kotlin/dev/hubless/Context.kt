package dev.hubless

import kotlinx.serialization.json.JsonElement

/**
 * One piece of context.
 *
 * @property key its name within the page
 * @property text its text, or null if it is [data]
 * @property data its JSON value, or null if it is [text]
 * @property weight how much it matters, for agents that must choose
 * @property links keys of related entries
 * @sample dev.hubless.samples.CallSamples.context
 */
public data class ContextEntry @JvmOverloads constructor(
    public val key: String,
    public val text: String? = null,
    public val data: JsonElement? = null,
    public val weight: Double? = null,
    public val links: List<String> = emptyList(),
)

/**
 * A named part of a context.
 *
 * @property name its name
 * @property entries what is in it
 * @sample dev.hubless.samples.CallSamples.context
 */
public data class ContextPage(public val name: String, public val entries: List<ContextEntry>)

/**
 * What an agent is told besides the request itself.
 *
 * @property entries pieces outside any page
 * @property pages named parts
 * @property history turns of a conversation: text or data parts with a role
 * @property explanation how to read the context, for models
 * @property descriptions what the keys mean, for models
 * @sample dev.hubless.samples.CallSamples.context
 */
public data class Context @JvmOverloads constructor(
    public val entries: List<ContextEntry> = emptyList(),
    public val pages: List<ContextPage> = emptyList(),
    public val history: List<Part> = emptyList(),
    public val explanation: String? = null,
    public val descriptions: Map<String, String> = emptyMap(),
)
