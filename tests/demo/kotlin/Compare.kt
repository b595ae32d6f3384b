package dev.hubless.demo

import kotlinx.serialization.Serializable
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonNull
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive

/** A figure that differs; null where one side does not have it. */
@Serializable
data class Mismatch(val figure: String, val given: JsonElement, val found: JsonElement)

/** Compares every figure that either side has. */
internal fun compareFigures(given: JsonElement, found: JsonElement): Check {
    val (there, here) = leaves(given) to leaves(found)
    val names = (here.keys + there.keys).sorted()
    val mismatches = names.filter { there[it] != here[it] }
        .map { Mismatch(it, there[it] ?: JsonNull, here[it] ?: JsonNull) }
    return Check(mismatches.isEmpty(), names.size, mismatches)
}

/** Every single figure by its name, such as `years.2012.hottest.date`. */
private fun leaves(json: JsonElement): Map<String, JsonPrimitive> {
    val found = sortedMapOf<String, JsonPrimitive>()
    collect("", json, found)
    return found
}

private fun collect(path: String, json: JsonElement, into: MutableMap<String, JsonPrimitive>) {
    when (json) {
        is JsonPrimitive -> into[path] = json
        is JsonObject -> json.forEach { (name, value) -> collect(join(path, name), value, into) }
        is JsonArray -> {
            val keys = json.map(::keyOf)
            val named = null !in keys && keys.distinct().size == keys.size
            json.forEachIndexed { index, value ->
                val name = if (named) keys[index].orEmpty() else index.toString()
                collect(join(path, name), value, into)
            }
        }
    }
}

/** Years and months are told apart by what they are, not by where they stand. */
private fun keyOf(value: JsonElement): String? {
    val row = value as? JsonObject ?: return null
    return ((row["year"] ?: row["month"]) as? JsonPrimitive)?.content
}

private fun join(path: String, name: String) = if (path.isEmpty()) name else "$path.$name"
