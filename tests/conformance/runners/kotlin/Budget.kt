package dev.hubless.conformance

import dev.hubless.Allowance
import dev.hubless.Amounts
import dev.hubless.KillSwitch
import dev.hubless.Limits
import dev.hubless.RequestOptions
import dev.hubless.SwitchState
import dev.hubless.Tripped
import kotlinx.coroutines.delay
import kotlinx.coroutines.withContext
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.boolean
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.int
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import kotlinx.serialization.json.long
import kotlinx.serialization.json.put
import java.util.concurrent.atomic.AtomicInteger
import kotlin.time.Duration
import kotlin.time.Duration.Companion.milliseconds
import kotlin.time.Duration.Companion.seconds
import kotlin.time.TimeSource

/** How long what must come may take: another process may stand still for seconds. */
internal val PATIENCE = 20.seconds

/** The switch that all requests of a case are made under. */
internal class CaseSwitch(
    terms: JsonObject,
    private val ambient: Boolean,
    private val patience: Duration,
) : AutoCloseable {
    private val switch = KillSwitch(limitsOf(terms))
    private val tripped = AtomicInteger()

    init {
        switch.onTripped { tripped.incrementAndGet() }
    }

    /** Runs requests with the switch in their context, if that is how the case hands it on. */
    suspend fun <T> around(block: suspend () -> T): T =
        if (ambient) withContext(switch) { block() } else block()

    /** Names the switch in a request, if that is how the case hands it on. */
    fun pay(options: RequestOptions) {
        if (!ambient) options.killSwitch = switch
    }

    fun trip() = switch.trip()

    /** Whether it shows what is [wanted] in time: a callee's last word may come late. */
    suspend fun shows(wanted: JsonObject): Boolean = soon { has(wanted, shown()) }

    /** Whether it was charged for the call of `stray` and for each way in [drawn], in time. */
    suspend fun paidFor(drawn: JsonArray): Boolean =
        soon { switch.spent.calls == 1L + drawn.size }

    private suspend fun soon(condition: () -> Boolean): Boolean {
        val began = TimeSource.Monotonic.markNow()
        while (!condition()) {
            if (began.elapsedNow() > patience) return false
            delay(20.milliseconds)
        }
        return true
    }

    private fun shown(): JsonObject {
        val state = switch.state
        return buildJsonObject {
            put("spent", switch.spent.json())
            put("remaining", switch.remaining.json())
            put("overrun", switch.overrun.json())
            put("state", if (state == SwitchState.Armed) "armed" else "tripped")
            put("reason", (state as? Tripped)?.reason?.wire)
            put("tripped", tripped.get())
        }
    }

    private fun has(wanted: JsonObject, shown: JsonObject): Boolean = wanted.all { (name, one) ->
        when (val seen = shown[name]) {
            is JsonObject -> one.jsonObject.all { (component, value) -> seen[component] == value }
            else -> seen == one
        }
    }

    override fun close() = switch.close()
}

/** What of the expectations about the switch of a case does not hold. */
internal suspend fun unpaid(
    wanted: JsonObject,
    seen: JsonObject?,
    switch: CaseSwitch?,
): List<String> {
    val shown = wanted["switch"]?.jsonObject
    val strayed = wanted["strayed"]?.jsonObject
    return listOfNotNull(
        "switch: expected $shown".takeIf { shown != null && switch?.shows(shown) != true },
        "strayed: expected $strayed".takeIf {
            strayed != null && !strayed(strayed, seen?.get("value"), switch)
        },
    )
}

private suspend fun strayed(
    wanted: JsonObject,
    value: JsonElement?,
    switch: CaseSwitch?,
): Boolean {
    val language = wanted.getValue("of").jsonPrimitive.content
    val known = wanted.getValue("ways").jsonObject[language]?.jsonArray ?: return false
    val drawn = (value as? JsonObject)?.get("drawn") as? JsonArray ?: return false
    val refused = value["refused"] as? JsonArray ?: return false
    val ways = drawn + refused
    val all = ways.size == known.size && ways.toSet() == known.toSet()
    return all && switch?.paidFor(drawn) == true
}

/** Reads the Terms of a case; one that is not known is an error of the runner. */
internal fun limitsOf(json: JsonObject): Limits =
    json.entries.fold(Limits()) { limits, (name, value) ->
        val number = value.jsonPrimitive
        when (name) {
            "inputTokens" -> limits.copy(inputTokens = number.long)
            "outputTokens" -> limits.copy(outputTokens = number.long)
            "costMicros" -> limits.copy(costMicros = number.long)
            "calls" -> limits.copy(calls = number.long)
            "wallTimeMs" -> limits.copy(wallTime = number.long.milliseconds)
            "depth" -> limits.copy(depth = number.int)
            "strict" -> limits.copy(strict = number.boolean)
            else -> error("the runner does not know the limit $name")
        }
    }

/** Reads Amounts that are allowed. */
internal fun allowanceOf(json: JsonObject): Allowance = Allowance(
    inputTokens = json["inputTokens"]?.jsonPrimitive?.long,
    outputTokens = json["outputTokens"]?.jsonPrimitive?.long,
    costMicros = json["costMicros"]?.jsonPrimitive?.long,
    calls = json["calls"]?.jsonPrimitive?.long,
)

private fun Amounts.json() = buildJsonObject {
    put("inputTokens", inputTokens)
    put("outputTokens", outputTokens)
    put("costMicros", costMicros)
    put("calls", calls)
}

/** Writes Amounts that are allowed; null is not limited. */
internal fun Allowance.json(): JsonObject = buildJsonObject {
    put("inputTokens", inputTokens)
    put("outputTokens", outputTokens)
    put("costMicros", costMicros)
    put("calls", calls)
}
