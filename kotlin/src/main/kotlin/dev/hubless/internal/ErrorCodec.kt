package dev.hubless.internal

import dev.hubless.ErrorDetails
import dev.hubless.ErrorKind
import dev.hubless.HublessException
import dev.hubless.Limit
import dev.hubless.Rejected
import dev.hubless.Retry
import dev.hubless.bounds
import kotlinx.coroutines.CancellationException
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.put
import kotlin.time.Duration.Companion.milliseconds

/** Reads the Error object of the contract. */
internal fun errorOf(body: JsonObject): HublessException {
    val details = ErrorDetails(
        kind = ErrorKind.of(body.text("kind") ?: ErrorKind.INTERNAL.wire),
        message = body.text("message").orEmpty(),
        code = body.text("code"),
        operation = body.text("operation"),
        field = body.text("field"),
        limit = body.child("limit")?.let {
            Limit(it.text("name").orEmpty(), it.long("value") ?: 0)
        },
        retry = retryOf(body["retry"]),
        agent = body.text("agent"),
        origin = body.text("origin"),
        traceId = body.text("traceId"),
        pointer = body.text("pointer"),
        candidates = body.texts("candidates"),
    )
    return if (body.flag("rejection")) Rejected(details) else HublessException(details)
}

private fun retryOf(value: JsonElement?): Retry = when (value) {
    is JsonObject -> Retry.After((value.long("afterMs") ?: 0).milliseconds)
    is JsonPrimitive -> if (value.content == "later") Retry.Later else Retry.Never
    else -> Retry.Never
}

/** The error of everything that is asked of a closed node. */
internal fun closedError(operation: String): HublessException = HublessException(
    ErrorDetails(ErrorKind.CLOSED, "the node is closed", operation = operation),
)

/** An error of this package's own checks of arguments. */
internal fun invalidArgument(
    field: String,
    message: String,
    code: String? = null,
): HublessException = HublessException(
    ErrorDetails(ErrorKind.INVALID_ARGUMENT, message, code = code, field = field),
)

/** JSON that is nested deeper than this package can write it; the core takes far less. */
internal fun tooDeep(field: String): HublessException {
    val bound = Limit("JSON_DEPTH", bounds()["JSON_DEPTH"] ?: 0)
    val message = "expected at most ${bound.value} levels of JSON"
    return HublessException(
        ErrorDetails(ErrorKind.JSON, message, code = "too_deep", field = field, limit = bound),
    )
}

/** Content that does not decode into the type that was asked for. */
internal fun decodeError(operation: String, cause: Throwable): HublessException = HublessException(
    ErrorDetails(
        ErrorKind.JSON,
        "value does not fit its type: ${cause.message?.lineSequence()?.first().orEmpty()}",
        code = "type_mismatch",
        operation = operation,
    ),
    cause,
)

/** The body of `call.fail` for what a handler threw. */
internal fun failureBody(call: Long, error: Throwable): JsonObject = obj {
    put("call", call)
    when {
        error is HublessException -> {
            put("kind", error.kind.wire)
            error.code?.let { put("code", it) }
            put("message", error.message.orEmpty())
            error.field?.let { put("field", it) }
            error.saysRetry?.let { put("retry", retryValue(it)) }
        }

        else -> put("message", error.message ?: error.javaClass.name)
    }
}

/** The body of `tool.fail` or `input.fail` for what a function of the caller's threw. */
internal fun refusalBody(id: Long, error: Throwable): JsonObject = obj {
    put("id", id)
    put("message", error.message ?: error.javaClass.name)
    when (error) {
        is HublessException -> {
            put("kind", error.kind.wire)
            some("code", error.code)
        }

        is CancellationException -> put("kind", ErrorKind.CANCELLED.wire)
    }
}

private fun retryValue(retry: Retry): JsonElement = when (retry) {
    is Retry.Never -> JsonPrimitive("never")
    is Retry.Later -> JsonPrimitive("later")
    is Retry.After -> obj { put("afterMs", wholeMs(retry.delay)) }
}
