package dev.hubless.internal

import kotlinx.serialization.json.JsonObject

private const val DONE: Byte = 1

/** Runs an operation that the core answers at once, without a session; throws its error. */
internal fun ask(op: String, body: JsonObject): JsonObject {
    val answer = Native.ask(op.toByteArray(), utf8(body))
    val said = parseObject(answer.copyOfRange(1, answer.size))
    if (answer[0] == DONE) return said
    throw errorOf(said)
}
