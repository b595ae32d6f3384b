package dev.hubless

import dev.hubless.internal.attributeOf
import dev.hubless.internal.obj
import dev.hubless.internal.some
import dev.hubless.internal.wholeMs
import kotlinx.serialization.json.JsonArray
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.put
import kotlin.time.Duration

/**
 * A condition on what agents publish: on `name`, `tags`, `skill.id`, `attributes.<fact>` and so on.
 *
 * Values are text, numbers, flags, dates, [Interval]s or lists of those.
 *
 * @sample dev.hubless.samples.FindSamples.filter
 */
public class Filter internal constructor(internal val json: JsonObject) {
    /** Both conditions. */
    public infix fun and(other: Filter): Filter = all(this, other)

    /** Either condition. */
    public infix fun or(other: Filter): Filter = any(this, other)

    /** The opposite. */
    public operator fun not(): Filter = Filter(obj { put("not", json) })

    override fun toString(): String = json.toString()

    public companion object {
        /** All of the conditions. */
        @JvmStatic
        public fun all(vararg filters: Filter): Filter = of("and", filters)

        /** At least one of the conditions. */
        @JvmStatic
        public fun any(vararg filters: Filter): Filter = of("or", filters)

        /** A field to be compared. */
        @JvmStatic
        public fun field(name: String): Field = Field(name)

        private fun of(name: String, filters: Array<out Filter>): Filter =
            Filter(obj { put(name, JsonArray(filters.map(Filter::json))) })
    }

    /** A published field, to be compared with a value. */
    public class Field internal constructor(private val name: String) {
        /** Equal to [value]. */
        public infix fun eq(value: Any): Filter = compare("=", value)

        /** Not equal to [value]. */
        public infix fun notEq(value: Any): Filter = compare("!=", value)

        /** Less than [value]. */
        public infix fun less(value: Any): Filter = compare("<", value)

        /** Less than or equal to [value]. */
        public infix fun atMost(value: Any): Filter = compare("<=", value)

        /** One of [values]. */
        public infix fun isIn(values: List<Any>): Filter = compare("in", values)

        /** A list, or text, that holds [value]. */
        public infix fun contains(value: Any): Filter = compare("contains", value)

        /** An interval or list with something in common with [value]. */
        public infix fun overlaps(value: Any): Filter = compare("overlaps", value)

        /** An interval or list that holds all of [value]. */
        public infix fun covers(value: Any): Filter = compare("covers", value)

        /** There at all. */
        public fun exists(): Filter = compare("exists", null)

        private fun compare(op: String, value: Any?): Filter = Filter(
            obj {
                put("field", name)
                put("op", op)
                if (value != null) put("value", attributeOf(value))
            },
        )
    }
}

/**
 * What is looked for; conditions add up.
 *
 * @sample dev.hubless.samples.FindSamples.query
 */
@HublessDsl
public class Query(
    /** What the agent should be able to do, in plain words. */
    public var text: String? = null,
) {
    /** Id of a skill that it must have. */
    public var skill: String? = null

    /** Topic that it gathers round. */
    public var group: String? = null

    /** Zone that its node must be in. */
    public var zone: String? = null

    /** Kinds of content that it must read. */
    public var contentTypesIn: Set<ContentType> = emptySet()

    /** Kinds of content that it must write. */
    public var contentTypesOut: Set<ContentType> = emptySet()

    /** Schema of a value that it must take. */
    public var accepts: JsonObject? = null

    /** Context protocol that it must speak. */
    public var contextProtocol: String? = null

    /** Models, one of which it may use. */
    public var models: List<String> = emptyList()

    /** Scheme of authentication that the caller has. */
    public var auth: String? = null

    /** Mesh to be looked at. */
    public var mesh: String? = null

    /** Range of versions. */
    public var version: String? = null

    /** Longest round trip. */
    public var maxLatency: Duration? = null

    /** Highest cost of a call, in the units of the agents' own hints; who says none is left out. */
    public var cost: Double? = null

    /** Longest time since it was last heard of. */
    public var fresh: Duration? = null

    /** Names of tools that the caller offers. */
    public var tools: List<String> = emptyList()

    /** Ids of agents that are not wanted. */
    public var exclude: List<String> = emptyList()

    /** Condition on published fields. */
    public var filter: Filter? = null

    /** Most agents to be returned; default 20. */
    public var limit: Int? = null

    private val tags = LinkedHashSet<String>()

    /** Adds a tag that it must have. */
    public fun tag(vararg names: String) {
        tags.addAll(names)
    }

    /** Adds a condition on published fields. */
    public fun where(condition: Filter) {
        filter = filter?.and(condition) ?: condition
    }

    internal fun json(): JsonObject = obj {
        some("text", text)
        some("skill", skill)
        some("tags", tags)
        some("group", group)
        some("zone", zone)
        some("contentTypesIn", contentTypesIn.map { it.wire })
        some("contentTypesOut", contentTypesOut.map { it.wire })
        some("accepts", accepts)
        some("contextProtocol", contextProtocol)
        some("models", models)
        some("auth", auth)
        some("mesh", mesh)
        some("version", version)
        some("maxLatencyUs", maxLatency?.inWholeMicroseconds)
        some("cost", cost)
        some("freshMs", fresh?.let(::wholeMs))
        some("tools", tools)
        some("exclude", exclude)
        some("filter", filter?.json)
        some("limit", limit)
    }
}
