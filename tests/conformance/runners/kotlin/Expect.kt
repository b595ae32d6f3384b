package dev.hubless.conformance

import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.double
import kotlinx.serialization.json.doubleOrNull
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive

/** Expectations about the switch of a case, which are looked at when it is over. */
private val OF_CASE = setOf("switch", "strayed")

/** Members of a wanted error that are not compared as a whole. */
private val PARTLY = setOf("messageHas", "candidates")

/** What of [wanted] does not hold of what was [seen]. */
internal fun differences(wanted: JsonObject, seen: JsonObject): List<String> {
    val ofCase = wanted.keys.all { it in OF_CASE }
    if ("error" in seen && "error" !in wanted && !ofCase) {
        return listOf("failed: ${seen["error"]}")
    }
    return wanted.filterNot { (word, value) -> holds(word, value, seen) }
        .map { (word, value) -> "$word: expected $value" }
}

private fun holds(word: String, wanted: JsonElement, seen: JsonObject): Boolean = when (word) {
    "tracedAs", "value", "text", "chunks", "notes", "outcomes", "done", "found", "events",
    "parts", "metadata",
    ->
        same(wanted, seen[word] ?: JsonNull)
    "ends" -> text(seen["text"])?.endsWith(text(wanted).orEmpty()) == true
    "outcomesIn" -> outcomesIn(wanted.jsonObject, seen["kinds"] as? JsonObject)
    "counted" -> (seen["kinds"] as? JsonObject)?.values?.sumOf { it.jsonPrimitive.int } ==
        wanted.jsonPrimitive.int
    "valueHas" -> has(wanted.jsonObject, seen["value"])
    "blob" -> has(wanted.jsonObject, seen["blob"])
    "usage" -> has(wanted.jsonObject, seen["usage"])
    in OF_CASE -> true
    "error", "rejection" -> errorHas(wanted.jsonObject, seen[word])
    "includes" -> names(seen)?.containsAll(wanted.jsonArray) == true
    "excludes" -> names(seen)?.none { it in wanted.jsonArray } == true
    "at" -> wanted.jsonObject.all { (pointer, one) -> follow(seen["value"], pointer) == one }
    "range" -> wanted.jsonObject.all { (member, bounds) ->
        val (low, high) = bounds.jsonArray.map { it.jsonPrimitive.double }
        number(seen, member)?.let { it in low..high } == true
    }
    "at most" -> wanted.jsonObject.all { (member, most) ->
        number(seen, member)?.let { it <= most.jsonPrimitive.double } == true
    }
    "traceId" -> text(member(seen, "traceparent"))?.split('-')?.getOrNull(1) == text(wanted)
    "first" -> same(wanted, names(seen)?.firstOrNull() ?: JsonNull)
    "none" -> names(seen)?.isEmpty() == true
    else -> false
}

/** Every kind of outcome is one that is wanted, as often as is wanted. */
private fun outcomesIn(wanted: JsonObject, counts: JsonObject?): Boolean =
    counts != null && wanted.keys.containsAll(counts.keys) &&
        wanted.all { (kind, bounds) ->
            val (low, high) = bounds.jsonArray.map { it.jsonPrimitive.double }
            (counts[kind]?.jsonPrimitive?.double ?: 0.0) in low..high
        }

private fun has(members: JsonObject, value: JsonElement?): Boolean = value is JsonObject &&
    members.all { (name, one) -> value[name]?.let { same(one, it) } == true }

/** Each member is as wanted; of the message a part of it, of the candidates their number. */
private fun errorHas(wanted: JsonObject, error: JsonElement?): Boolean {
    if (error !is JsonObject || !has(JsonObject(wanted - PARTLY), error)) return false
    val candidates = (error["candidates"] as? JsonArray).orEmpty().size
    val asMany = (wanted["candidates"]?.jsonPrimitive?.int ?: candidates) == candidates
    return asMany && text(wanted["messageHas"]).orEmpty() in text(error["message"]).orEmpty()
}

private fun names(seen: JsonObject): List<JsonElement>? = seen["found"] as? JsonArray

/** What a JSON pointer leads to. */
private fun follow(value: JsonElement?, pointer: String): JsonElement? =
    pointer.split('/').drop(1).fold(value) { at, step ->
        when (at) {
            is JsonObject -> at[step]
            is JsonArray -> step.toIntOrNull()?.let(at::getOrNull)
            else -> null
        }
    }

private fun member(seen: JsonObject, name: String) = (seen["value"] as? JsonObject)?.get(name)

/** The number that a member of the value is, or what a JSON pointer into it leads to. */
private fun number(seen: JsonObject, name: String): Double? {
    val found = if (name.startsWith('/')) follow(seen["value"], name) else member(seen, name)
    return (found as? JsonPrimitive)?.takeIf { !it.isString }?.doubleOrNull
}

private fun text(value: JsonElement?): String? = (value as? JsonPrimitive)?.contentOrNull

/** Equal as JSON: numbers by value, members in any order. */
private fun same(a: JsonElement, b: JsonElement): Boolean = when {
    a is JsonObject && b is JsonObject ->
        a.keys == b.keys && a.all { (name, one) -> same(one, b.getValue(name)) }
    a is JsonArray && b is JsonArray ->
        a.size == b.size && a.zip(b).all { (one, other) -> same(one, other) }
    a is JsonPrimitive && b is JsonPrimitive && !a.isString && !b.isString ->
        a.content == b.content ||
            (a.doubleOrNull != null && a.doubleOrNull == b.doubleOrNull)
    else -> a == b
}
