package dev.hubless.internal

import dev.hubless.Accept
import dev.hubless.Content
import dev.hubless.Context
import dev.hubless.ContextEntry
import dev.hubless.ContextPage
import dev.hubless.Credential
import dev.hubless.KillSwitch
import dev.hubless.RequestOptions
import dev.hubless.Tool
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonObjectBuilder
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.put

/** What a request belongs to: the call that it is a child of, the switch that it is under. */
internal class Ties(val parent: Long?, private val killSwitch: KillSwitch?) {
    val switch: Long? get() = killSwitch?.handle
}

/** Writes the RequestOptions of the contract. */
internal suspend fun Outgoing.request(
    to: JsonElement,
    content: Content,
    options: RequestOptions,
    ties: Ties,
): JsonObject {
    val parts = content(content)
    val context = options.context?.let { context(it) }
    return obj {
        put("to", to)
        put("content", parts)
        some("context", context)
        some("parent", ties.parent)
        some("killSwitch", ties.switch)
        some("max", options.max?.json())
        some("from", options.from?.handle)
        putPlain(options)
        putTools(options)
    }
}

private fun JsonObjectBuilder.putPlain(options: RequestOptions) {
    some("skill", options.skill)
    some("timeoutMs", options.timeout?.let(::wholeMs))
    some("totalMs", options.total?.let(::wholeMs))
    some("wait", options.wait?.let(::wholeMs))
    some("accept", options.accept?.let(::acceptOf))
    some("auth", options.auth?.let(::credentialOf))
    some("transportAuth", options.transportAuth?.let(::credentialOf))
    some("conversationId", options.conversationId)
    some("inputSchema", options.inputSchema)
    some("outputSchema", options.outputSchema)
    some("effect", options.effect?.name)
    some("idempotencyKey", options.idempotencyKey)
    some("returnTo", options.returnTo)
    options.retry?.let { retry ->
        val kinds = textArray(retry.on.map { it.wire })
        put(
            "retry",
            obj {
                put("attempts", retry.attempts)
                put("on", kinds)
            },
        )
    }
    some("dataPolicy", options.dataPolicy)
    some("metadata", options.metadata)
    some("extensions", options.extensions)
    options.trace?.let { trace ->
        put(
            "trace",
            obj {
                put("traceparent", trace.traceparent)
                some("tracestate", trace.tracestate)
                some("baggage", trace.baggage)
            },
        )
    }
    some("template", options.template)
}

/** Writes what a request offers to be called back. */
internal fun JsonObjectBuilder.putTools(options: RequestOptions) {
    if (options.tools.isNotEmpty()) put("tools", JsonArray(options.tools.map(::toolOf)))
    if (options.onInput != null) put("onInput", true)
}

private fun toolOf(tool: Tool): JsonObject = obj {
    put("name", tool.name)
    put("description", tool.description)
    put("inputSchema", tool.inputSchema)
    some("outputSchema", tool.outputSchema)
    some("effect", tool.effect?.name)
}

private fun acceptOf(accept: Accept): JsonObject = obj {
    some("mediaTypes", accept.mediaTypes)
    some("streaming", accept.streaming)
    some("contextProtocols", accept.contextProtocols)
    some("models", accept.models)
}

internal fun credentialOf(credential: Credential): JsonObject = obj {
    put("scheme", credential.scheme)
    put("secret", credential.secret)
}

/** Writes the Context of the contract. */
internal suspend fun Outgoing.context(context: Context): JsonObject {
    val history = context.history.map { part(it) }
    return obj {
        put("entries", entriesOf(context.entries))
        if (context.pages.isNotEmpty()) put("pages", JsonArray(context.pages.map(::pageOf)))
        if (history.isNotEmpty()) put("history", JsonArray(history))
        some("explanation", context.explanation)
        if (context.descriptions.isNotEmpty()) {
            val said = context.descriptions.mapValues { JsonPrimitive(it.value) }
            put("descriptions", JsonObject(said))
        }
    }
}

private fun pageOf(page: ContextPage): JsonObject = obj {
    put("name", page.name)
    put("entries", entriesOf(page.entries))
}

private fun entriesOf(entries: List<ContextEntry>): JsonArray = JsonArray(
    entries.map { entry ->
        obj {
            put("key", entry.key)
            some("text", entry.text)
            some("data", entry.data)
            some("weight", entry.weight)
            some("links", entry.links)
        }
    },
)

/** Reads the Context of the contract. */
internal fun Session.contextOf(json: JsonObject, attachments: List<ByteArray>): Context = Context(
    entries = json.objects("entries").map(::entryOf),
    pages = json.objects("pages").map { page ->
        ContextPage(page.text("name").orEmpty(), page.objects("entries").map(::entryOf))
    },
    history = json.objects("history").mapNotNull { partOf(it, attachments) },
    explanation = json.text("explanation"),
    descriptions = json.child("descriptions")?.texts().orEmpty(),
)

private fun JsonObject.texts(): Map<String, String> = keys.associateWith { text(it).orEmpty() }

private fun entryOf(json: JsonObject): ContextEntry = ContextEntry(
    key = json.text("key").orEmpty(),
    text = json.text("text"),
    data = json["data"],
    weight = json.double("weight"),
    links = json.texts("links"),
)
