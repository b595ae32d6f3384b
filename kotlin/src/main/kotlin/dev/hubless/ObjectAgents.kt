package dev.hubless

import dev.hubless.internal.ObjectSkills
import dev.hubless.internal.Serving
import kotlin.reflect.KClass

/**
 * Registers an object: each function marked [Skill] is a skill, suspending or not, with schemas
 * from its parameters and result.
 *
 * A function of one parameter of a class type takes the whole input as that; any other takes the
 * members of a JSON object by the names of its parameters. A parameter of type [CallContext] gets
 * the call. A `Flow` as result is streamed.
 *
 * With [Concurrency.ISOLATED] each call gets a copy of its own, made by the object's `copy`
 * function without arguments, such as a data class has.
 */
public suspend fun Node.register(
    target: Any,
    configure: AgentOptions.() -> Unit = {},
): RegisteredAgent {
    val skills = ObjectSkills.of(target::class)
    val options = skills.options().apply(configure)
    val serving = if (options.concurrency == Concurrency.ISOLATED) {
        val copy = skills.copier()
        Serving(null) { skills.instance(copy(target)) }
    } else {
        Serving(skills.handler(target), null)
    }
    return registerAgent(options, serving)
}

/**
 * Registers a class: each call gets an instance of its own, made by the constructor without
 * arguments and dropped at its end; one that is `AutoCloseable` is closed then.
 */
public suspend fun Node.register(
    type: KClass<*>,
    configure: AgentOptions.() -> Unit = {},
): RegisteredAgent {
    val skills = ObjectSkills.of(type)
    val options = skills.options().apply(configure)
    options.concurrency = Concurrency.ISOLATED
    val make = skills.maker()
    return registerAgent(options, Serving(null) { skills.instance(make()) })
}

/** Registers a class whose instances, one for each call, are made by [factory]. */
public suspend inline fun <reified T : Any> Node.registerFactory(
    noinline configure: AgentOptions.() -> Unit = {},
    noinline factory: () -> T,
): RegisteredAgent = registerMade(T::class, configure, factory)

@PublishedApi
internal suspend fun Node.registerMade(
    type: KClass<*>,
    configure: AgentOptions.() -> Unit,
    factory: () -> Any,
): RegisteredAgent {
    val skills = ObjectSkills.of(type)
    val options = skills.options().apply(configure)
    options.concurrency = Concurrency.ISOLATED
    return registerAgent(options, Serving(null) { skills.instance(factory()) })
}
