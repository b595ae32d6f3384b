package dev.hubless.internal

import dev.hubless.Allowance
import dev.hubless.Caller
import dev.hubless.CallerKind
import dev.hubless.Effect
import dev.hubless.InboundRequest
import dev.hubless.OfferedTool
import dev.hubless.Trace
import kotlinx.serialization.json.JsonObject
import java.util.concurrent.atomic.AtomicBoolean
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.TimeMark
import kotlin.time.TimeSource

/** A `call` event, read. */
internal class InboundCall(
    val handle: Long,
    val agent: Long,
    /** Whether the call is to have an instance of its own. */
    val fresh: Boolean,
    val request: InboundRequest,
    val caller: Caller,
    val depth: Int,
    val trace: Trace,
    val deadline: TimeMark?,
    /** What it was given of its budget; null: it has none. */
    val granted: Allowance?,
    val cancelled: AtomicBoolean,
)

/** Reads the InboundCall of the contract; [arrived] is when its deadline began to run. */
internal fun Session.inboundCallOf(
    event: Event,
    arrived: TimeMark,
    cancelled: AtomicBoolean,
): InboundCall {
    val body = event.body
    return InboundCall(
        handle = event.ticket,
        agent = body.long("agent") ?: 0,
        fresh = body.flag("fresh"),
        request = requestOf(body, event.attachments),
        caller = callerOf(body.child("caller") ?: emptyObject),
        depth = body.long("depth")?.toInt() ?: 0,
        trace = traceOf(body.child("trace") ?: emptyObject),
        deadline = body.long("deadlineMs")?.let { arrived + it.milliseconds },
        granted = body.child("granted")?.let(::allowanceOf),
        cancelled = cancelled,
    )
}

private fun Session.requestOf(body: JsonObject, attachments: List<ByteArray>) = InboundRequest(
    id = body.text("requestId").orEmpty(),
    attempt = body.long("attempt")?.toInt() ?: 0,
    skill = body.text("skill")?.ifEmpty { null },
    content = contentOf(body.child("content") ?: emptyObject, attachments),
    context = body.child("context")?.let { contextOf(it, attachments) },
    conversationId = body.text("conversationId"),
    tools = body.objects("tools").map(::offeredTool),
    accept = body.child("accept") ?: emptyObject,
    authScheme = body.child("auth")?.text("scheme") ?: body.text("authScheme"),
    idempotencyKey = body.text("idempotencyKey"),
    inputSchema = body.child("inputSchema"),
    outputSchema = body.child("outputSchema"),
    metadata = body.child("metadata") ?: emptyObject,
)

private fun offeredTool(json: JsonObject) = OfferedTool(
    name = json.text("name").orEmpty(),
    description = json.text("description").orEmpty(),
    inputSchema = json.child("inputSchema") ?: emptyObject,
    effect = Effect.entries.firstOrNull { it.name == json.text("effect") },
)

/** Reads the caller of a `call` or `auth` event. */
internal fun callerOf(json: JsonObject): Caller = Caller(
    kind = CallerKind.of(json.text("kind")),
    nodeKey = json.text("node").orEmpty(),
    agentId = json.text("agent"),
    principal = json.text("principal").orEmpty(),
    meshId = json.text("mesh"),
    role = json.text("role"),
    groups = json.texts("groups"),
)

private fun traceOf(json: JsonObject) = Trace(
    traceparent = json.text("traceparent").orEmpty(),
    tracestate = json.text("tracestate"),
    baggage = json.text("baggage"),
)

/** The moment at which an event was taken from the queue. */
internal fun now(): TimeMark = TimeSource.Monotonic.markNow()
