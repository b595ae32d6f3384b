package dev.hubless.testing

import dev.hubless.ErrorKind
import dev.hubless.HublessDsl
import dev.hubless.internal.jsonOfValue
import dev.hubless.internal.obj
import dev.hubless.internal.some
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put

/**
 * How requests and the steps of a script come together.
 *
 * @sample dev.hubless.samples.TestingSamples.strict
 */
public enum class ScriptMode(internal val wire: String) {
    /** A request takes the first step that fits and is not used up. */
    BY_CONTENT("byContent"),

    /** A request must fit the step whose turn it is. */
    STRICT("strict"),

    /** As by content; where all that fit are used up, the last of them answers again. */
    LOOSE("loose"),
}

/**
 * What a fake peer answers, step by step.
 *
 * @sample dev.hubless.samples.TestingSamples.script
 */
@HublessDsl
public class Script {
    /** How requests and steps come together. */
    public var mode: ScriptMode = ScriptMode.BY_CONTENT

    private val steps = ArrayList<JsonElement>()
    private var otherwise: JsonObject? = null

    /**
     * Adds a step.
     *
     * @param skill the skill that a request must mean; default any
     * @param value the value that it must have; default any
     * @param contains what its value must contain: members, elements, or a piece of its text
     * @param times how often the step answers; null for any number of times
     */
    public fun step(
        skill: String? = null,
        value: Any? = null,
        contains: Any? = null,
        times: Int? = 1,
        reaction: Reaction.() -> Unit,
    ) {
        val conditions = obj {
            some("skill", skill)
            if (value != null) put("value", jsonOfValue(value))
            if (contains != null) put("contains", jsonOfValue(contains))
        }
        val fields = Reaction().apply(reaction).json()
        steps += obj {
            put("when", conditions)
            if (times == null) put("times", "any") else put("times", times)
            fields.forEach { (name, field) -> put(name, field) }
        }
    }

    /** Says what requests get that no step fits; default they are refused. */
    public fun otherwise(reaction: Reaction.() -> Unit) {
        otherwise = Reaction().apply(reaction).json()
    }

    internal fun json(): JsonObject = obj {
        put("mode", mode.wire)
        put("steps", JsonArray(steps))
        some("otherwise", otherwise)
    }
}

/**
 * What a fake peer does with a request: it answers or fails, after what it sends ahead.
 *
 * @sample dev.hubless.samples.TestingSamples.script
 */
@HublessDsl
public class Reaction internal constructor() {
    /** Gate that is to be opened first, by [FakePeer.release]. */
    public var hold: String? = null

    private val events = ArrayList<JsonElement>()
    private var usage: JsonObject? = null
    private var end: Pair<String, JsonObject>? = null

    /** Sends one piece of the answer ahead: a string as text, anything else as data. */
    public fun chunk(value: Any) {
        events += obj { put("chunk", obj { put("value", jsonOfValue(value)) }) }
    }

    /** Tells how far it is. */
    public fun progress(note: String, fraction: Double? = null) {
        val progress = obj {
            put("note", note)
            some("fraction", fraction)
        }
        events += obj { put("progress", progress) }
    }

    /** Says what it spent. */
    public fun usage(inputTokens: Long = 0, outputTokens: Long = 0, costMicros: Long = 0) {
        usage = obj {
            put("inputTokens", inputTokens)
            put("outputTokens", outputTokens)
            put("costMicros", costMicros)
        }
    }

    /** Answers with a value: a string as text, anything else as data. */
    public fun answer(value: Any?) {
        end = "answer" to obj { put("value", jsonOfValue(value)) }
    }

    /** Refuses. */
    public fun fail(
        kind: ErrorKind = ErrorKind.HANDLER_FAILED,
        message: String = "",
        code: String? = null,
    ) {
        end = "error" to obj {
            put("kind", kind.wire)
            put("message", message)
            some("code", code)
        }
    }

    internal fun json(): JsonObject = obj {
        some("hold", hold)
        if (events.isNotEmpty()) put("events", JsonArray(events))
        some("usage", usage)
        end?.let { (name, field) -> put(name, field) }
    }
}
