package dev.hubless.conformance

import dev.hubless.Accept
import dev.hubless.AgentRequest
import dev.hubless.Binary
import dev.hubless.Content
import dev.hubless.Context
import dev.hubless.ContextEntry
import dev.hubless.ContextPage
import dev.hubless.Credential
import dev.hubless.Effect
import dev.hubless.ErrorKind
import dev.hubless.Filter
import dev.hubless.Part
import dev.hubless.Query
import dev.hubless.RequestOptions
import dev.hubless.RetryPolicy
import dev.hubless.Role
import dev.hubless.Trace
import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.double
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import java.security.MessageDigest
import java.util.HexFormat
import kotlin.time.Duration.Companion.milliseconds

@Serializable
internal data class Operands(val a: Double, val b: Double)

/** Offers the tool `add`, which adds as `sum` does. */
internal fun RequestOptions.addTool(name: String) {
    tool<Operands, JsonElement>(name, "adds two numbers") { (a, b) ->
        val sum = a + b
        if (sum == sum.toLong().toDouble()) JsonPrimitive(sum.toLong()) else JsonPrimitive(sum)
    }
}

/** Reads the content of a case; a blob is given by its size. */
internal fun contentOf(json: JsonObject): Content {
    json["value"]?.let { value ->
        return if (value is JsonPrimitive && value.isString) {
            Content.text(value.content)
        } else {
            Content.of(Part.Data(value))
        }
    }
    val metadata = json["metadata"]?.jsonObject ?: JsonObject(emptyMap())
    return Content(json["parts"]?.jsonArray.orEmpty().map { partOf(it.jsonObject) }, metadata)
}

private fun partOf(json: JsonObject): Part {
    val role = json["role"]?.let { Role.valueOf(it.text().uppercase()) }
    val metadata = json["metadata"]?.jsonObject
    json["text"]?.let { return Part.Text(it.text(), role, metadata) }
    json["data"]?.let { return Part.Data(it, role, metadata) }
    json["uri"]?.jsonObject?.let {
        val (type, digest) = it["mediaType"]?.text() to it["digest"]?.text()
        val size = it["size"]?.jsonPrimitive?.long
        return Part.Link(it.getValue("uri").text(), type, digest, size, metadata)
    }
    val blob = json.getValue("blob").jsonObject
    val type = blob.getValue("mediaType").text()
    val size = blob.getValue("size").jsonPrimitive.int
    val filename = blob["filename"]?.text()
    if (blob["streamed"]?.jsonPrimitive?.boolean == true) {
        val sha256 = blob["sha256"]?.text()
        return Part.Stream(type, pattern(size, 100_000), filename, sha256 = sha256)
    }
    return Part.Blob(type, ByteArray(size, ::patternByte), filename, metadata)
}

/** Takes the fields of a case's request over; one that is not known is an error of the runner. */
internal fun RequestOptions.options(json: JsonObject) {
    for ((name, value) in json) {
        when (name) {
            "content" -> Unit
            "skill" -> skill = value.text()
            "timeoutMs" -> timeout = value.jsonPrimitive.long.milliseconds
            "totalMs" -> total = value.jsonPrimitive.long.milliseconds
            "wait" -> wait = value.jsonPrimitive.long.milliseconds
            "auth" -> auth = credentialOf(value.jsonObject)
            "transportAuth" -> transportAuth = credentialOf(value.jsonObject)
            "context" -> context = contextOf(value.jsonObject)
            "conversationId" -> conversationId = value.text()
            "max" -> max = allowanceOf(value.jsonObject)
            "idempotencyKey" -> idempotencyKey = value.text()
            "returnTo" -> returnTo = value.text()
            "effect" -> effect = Effect.of(value.text())
            "inputSchema" -> inputSchema = value.jsonObject
            "outputSchema" -> outputSchema = value.jsonObject
            "extensions" -> extensions = value.jsonObject
            "metadata" -> metadata = value.jsonObject
            "template" -> template = value.text()
            "dataPolicy" -> dataPolicy = value.jsonObject
            "accept" -> accept = acceptOf(value.jsonObject)
            "trace" -> trace = value.jsonObject.let {
                val (state, baggage) = it["tracestate"]?.text() to it["baggage"]?.text()
                Trace(it.getValue("traceparent").text(), state, baggage)
            }
            "retry" -> retry = value.jsonObject.let {
                val kinds = it.texts("on").map(ErrorKind::of).toSet()
                RetryPolicy(it.getValue("attempts").jsonPrimitive.int, kinds)
            }
            else -> error("the runner does not know the request field $name")
        }
    }
}

/** Reads a request in its short form; what such a one cannot say is an error of the runner. */
internal fun shortOf(agent: String, json: JsonObject): AgentRequest {
    val unknown = json.keys - setOf("prompt", "promptSchema", "content", "skill", "template")
    require(unknown.isEmpty()) { "the runner does not know the fields $unknown" }
    return AgentRequest(
        agent,
        prompt = json["prompt"]?.text(),
        content = json["content"]?.let { contentOf(it.jsonObject) },
        skill = json["skill"]?.text(),
        promptSchema = json["promptSchema"]?.jsonObject,
        template = json["template"]?.text(),
    )
}

private fun credentialOf(json: JsonObject) =
    Credential(json.getValue("scheme").text(), json.getValue("secret").text())

private fun acceptOf(json: JsonObject) = Accept(
    mediaTypes = json.texts("mediaTypes"),
    streaming = json["streaming"]?.jsonPrimitive?.boolean,
    contextProtocols = json.texts("contextProtocols"),
    models = json.texts("models"),
)

private fun contextOf(json: JsonObject) = Context(
    entries = entriesOf(json),
    pages = json["pages"]?.jsonArray.orEmpty().map {
        ContextPage(it.jsonObject.getValue("name").text(), entriesOf(it.jsonObject))
    },
    history = json["history"]?.jsonArray.orEmpty().map { partOf(it.jsonObject) },
    explanation = json["explanation"]?.text(),
    descriptions = json["descriptions"]?.jsonObject.orEmpty().mapValues { it.value.text() },
)

private fun entriesOf(json: JsonObject): List<ContextEntry> =
    json["entries"]?.jsonArray.orEmpty().map { it.jsonObject }.map { entry ->
        ContextEntry(
            key = entry.getValue("key").text(),
            text = entry["text"]?.text(),
            data = entry["data"],
            weight = entry["weight"]?.jsonPrimitive?.double,
            links = entry.texts("links"),
        )
    }

/** Takes a query of a case over. */
internal fun Query.fill(json: JsonObject) {
    for ((name, value) in json) {
        when (name) {
            "text" -> text = value.text()
            "skill" -> skill = value.text()
            "tags" -> tag(*value.jsonArray.map { it.text() }.toTypedArray())
            "filter" -> filter = filterOf(value.jsonObject)
            "limit" -> limit = value.jsonPrimitive.int
            else -> error("the runner does not know the query field $name")
        }
    }
}

private fun filterOf(json: JsonObject): Filter {
    json["and"]?.jsonArray?.let { all -> return Filter.all(*filters(all)) }
    json["or"]?.jsonArray?.let { any -> return Filter.any(*filters(any)) }
    json["not"]?.jsonObject?.let { return !filterOf(it) }
    val field = Filter.field(json.getValue("field").text())
    return when (val op = json.getValue("op").text()) {
        "=" -> field eq json.getValue("value")
        "!=" -> field notEq json.getValue("value")
        "<" -> field less json.getValue("value")
        "<=" -> field atMost json.getValue("value")
        "in" -> field isIn json.getValue("value").jsonArray
        "contains" -> field contains json.getValue("value")
        "overlaps" -> field overlaps json.getValue("value")
        "covers" -> field covers json.getValue("value")
        "exists" -> field.exists()
        else -> error("the runner does not know the comparison $op")
    }
}

private fun filters(list: List<JsonElement>) =
    list.map { filterOf(it.jsonObject) }.toTypedArray()

private fun JsonElement.text() = jsonPrimitive.content

private fun JsonObject.texts(name: String) = this[name]?.jsonArray.orEmpty().map { it.text() }

/** A blob of an answer, read to its end. */
internal class BlobSeen(val size: Long, val sha256: String, val streamed: Boolean) {
    companion object {
        suspend fun of(part: Binary): BlobSeen {
            val sha = MessageDigest.getInstance("SHA-256")
            var size = 0L
            part.reader().collect {
                sha.update(it)
                size += it.size
            }
            return BlobSeen(size, HexFormat.of().formatHex(sha.digest()), part is Part.Stream)
        }
    }
}
