package dev.hubless

import dev.hubless.internal.ProxyFunctions
import kotlin.reflect.KClass

/**
 * Makes an agent look like an interface of the program's own: each function is a skill.
 *
 * Functions may suspend, return a `CompletionStage`, return a `Flow` (streamed), or block.
 * Arguments travel as an object by the names of the parameters, a single parameter of a class as
 * it is. [Skill] renames a skill and says what may be retried.
 *
 * @param type an interface
 * @param to id, address or name of the agent
 * @param configure options of each call
 * @sample dev.hubless.samples.CallSamples.proxy
 */
public fun <T : Any> Node.proxy(
    type: KClass<T>,
    to: String,
    configure: RequestOptions.() -> Unit = {},
): T = ProxyFunctions.proxy(this, type.java, to, configure)

/** Makes this agent look like an interface of the program's own. */
public fun <T : Any> Peer.proxy(
    type: KClass<T>,
    configure: RequestOptions.() -> Unit = {},
): T = node.proxy(type, agentId, paid(configure))
