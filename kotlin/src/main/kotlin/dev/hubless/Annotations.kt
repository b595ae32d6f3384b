package dev.hubless

import dev.hubless.internal.invalidArgument
import kotlinx.serialization.ExperimentalSerializationApi
import kotlinx.serialization.SerialInfo

/**
 * Says what a type, a field or a parameter means; becomes `description` in its JSON schema.
 *
 * Comments in the source are not there at run time, so that the JVM needs them as annotations.
 *
 * @property text the description, for people and models
 * @sample dev.hubless.samples.AgentSamples.annotated
 */
@OptIn(ExperimentalSerializationApi::class)
@SerialInfo
@MustBeDocumented
@Target(
    AnnotationTarget.CLASS,
    AnnotationTarget.PROPERTY,
    AnnotationTarget.VALUE_PARAMETER,
    AnnotationTarget.FIELD,
)
public annotation class Description(public val text: String)

/**
 * What may be retried, and what an agent promises by it.
 *
 * @sample dev.hubless.samples.AgentSamples.skill
 */
public enum class Effect {
    /** Changes nothing and depends on nothing but its input. */
    PURE,

    /** Done twice is as done once. */
    IDEMPOTENT,

    /** Must not run twice; the default. */
    AT_MOST_ONCE,
    ;

    public companion object {
        /**
         * Reads an effect from its name in configuration or messages.
         *
         * @throws HublessException kind `invalid_argument`, code `bad_word`, for any other text
         */
        @JvmStatic
        public fun of(name: String): Effect = entries.firstOrNull { it.name == name }
            ?: throw invalidArgument("effect", "one of $entries, not \"$name\"", "bad_word")
    }
}

/**
 * Marks a function of an object as a skill of its agent.
 *
 * @property id name of the skill; default the function's name
 * @property description what it does, for people and models
 * @property title short title
 * @property tags words to be found by
 * @property effect what may be retried
 * @sample dev.hubless.samples.AgentSamples.annotated
 */
@MustBeDocumented
@Target(AnnotationTarget.FUNCTION)
public annotation class Skill(
    public val id: String = "",
    public val description: String = "",
    public val title: String = "",
    public val tags: Array<String> = [],
    public val effect: Effect = Effect.AT_MOST_ONCE,
)

/**
 * Names and describes the agent that a class makes.
 *
 * @property name name of the agent; default the class's name in lower case with hyphens
 * @property description what it is for, for people and models
 * @property title short title
 * @property version version of the agent
 * @property tags words to be found by
 * @sample dev.hubless.samples.AgentSamples.annotated
 */
@MustBeDocumented
@Target(AnnotationTarget.CLASS)
public annotation class Agent(
    public val name: String = "",
    public val description: String = "",
    public val title: String = "",
    public val version: String = "",
    public val tags: Array<String> = [],
)
