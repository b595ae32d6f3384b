package dev.hubless.internal

import dev.hubless.Effect
import dev.hubless.Node
import dev.hubless.RequestOptions
import dev.hubless.Skill
import dev.hubless.typedRequest
import dev.hubless.typedStream
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.future.future
import kotlinx.coroutines.runBlocking
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import java.lang.invoke.MethodHandles
import java.lang.reflect.InvocationHandler
import java.lang.reflect.Method
import java.lang.reflect.Modifier
import java.lang.reflect.Proxy
import java.util.concurrent.CompletionStage
import kotlin.coroutines.Continuation
import kotlin.coroutines.intrinsics.startCoroutineUninterceptedOrReturn
import kotlin.reflect.KFunction
import kotlin.reflect.KParameter
import kotlin.reflect.full.findAnnotation
import kotlin.reflect.full.valueParameters
import kotlin.reflect.jvm.jvmErasure
import kotlin.reflect.jvm.kotlinFunction

/** The functions of an interface as calls of an agent. */
internal class ProxyFunctions private constructor(private val type: Class<*>) {
    private val functions = type.methods
        .filter { Modifier.isAbstract(it.modifiers) }
        .associateWith(::ProxyFunction)

    private fun handler(target: Target) = InvocationHandler { proxy, method, arguments ->
        val given = arguments ?: emptyArray()
        when (val function = functions[method]) {
            null -> if (method.isDefault) {
                ofInterface(proxy, method, given)
            } else {
                ofObject(proxy, method, given, target.to)
            }
            else -> function.call(target, given)
        }
    }

    private fun ofInterface(proxy: Any, method: Method, given: Array<Any?>): Any? {
        val owner = method.declaringClass
        if (Modifier.isPublic(owner.modifiers)) {
            return InvocationHandler.invokeDefault(proxy, method, *given)
        }
        // That one looks from here, where an interface of a file's own is not seen.
        val lookup = MethodHandles.privateLookupIn(owner, MethodHandles.lookup())
        val handle = lookup.unreflectSpecial(method, owner)
        return handle.bindTo(proxy).invokeWithArguments(given.asList())
    }

    private fun ofObject(proxy: Any, method: Method, given: Array<Any?>, to: String): Any? =
        when (method.name) {
            "toString" -> "${type.simpleName}($to)"
            "hashCode" -> System.identityHashCode(proxy)
            "equals" -> proxy === given.firstOrNull()
            else -> throw UnsupportedOperationException(method.toString())
        }

    companion object {
        private val known = object : ClassValue<ProxyFunctions>() {
            override fun computeValue(type: Class<*>) = ProxyFunctions(type)
        }

        fun <T : Any> proxy(
            node: Node,
            type: Class<T>,
            to: String,
            configure: RequestOptions.() -> Unit,
        ): T {
            if (!type.isInterface) throw invalidArgument("type", "${type.name} is no interface")
            val handler = known.get(type).handler(Target(node, to, configure))
            return type.cast(Proxy.newProxyInstance(type.classLoader, arrayOf(type), handler))
        }
    }
}

/** Where the calls of one proxy go, and how. */
private class Target(
    val node: Node,
    val to: String,
    val configure: RequestOptions.() -> Unit,
)

/** One function of an interface: its arguments as content, its result as a call. */
private class ProxyFunction(method: Method) {
    private val function: KFunction<*> = method.kotlinFunction
        ?: throw invalidArgument("type", "cannot read the signature of ${method.name}")
    private val skill = function.findAnnotation<Skill>()
    private val id = skill?.id?.ifEmpty { null } ?: function.name
    private val parameters = function.valueParameters
    private val shapes = parameters.map { shapeOf(it.type) }
    private val whole = parameters.singleOrNull()?.takeIf(::takesWhole) != null
    private val erased = function.returnType.jvmErasure.java
    private val result = shapeOf(resultType(function.returnType))

    fun call(target: Target, given: Array<Any?>): Any? {
        val (node, to) = target.node to target.to
        val configure: RequestOptions.() -> Unit = {
            skill = id
            effect = this@ProxyFunction.skill?.effect?.takeIf { it != Effect.AT_MOST_ONCE }
            target.configure(this)
        }
        if (Flow::class.java.isAssignableFrom(erased)) {
            return node.typedStream(to, input(given), result, configure)
        }
        val ask: suspend () -> Any? = { node.typedRequest(to, input(given), result, configure) }
        return when {
            function.isSuspend -> {
                @Suppress("UNCHECKED_CAST")
                ask.startCoroutineUninterceptedOrReturn(given.last() as Continuation<Any?>)
            }
            CompletionStage::class.java.isAssignableFrom(erased) -> node.scope.future { ask() }
            else -> runBlocking { ask() }
        }
    }

    private fun input(given: Array<Any?>): Any? {
        if (parameters.isEmpty()) return null
        if (whole) return shapes.single().write(given[0])
        val members = LinkedHashMap<String, JsonElement>()
        parameters.forEachIndexed { index, parameter ->
            members[nameOf(parameter)] = jsonOfValue(given[index])
        }
        return JsonObject(members)
    }

    private fun nameOf(parameter: KParameter) = parameter.name
        ?: throw invalidArgument(
            "type",
            "parameters of $id have no names: compile with -parameters",
        )
}
