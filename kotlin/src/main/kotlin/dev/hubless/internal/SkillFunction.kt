package dev.hubless.internal

import dev.hubless.AgentOptions
import dev.hubless.CallContext
import dev.hubless.Content
import dev.hubless.Description
import dev.hubless.Effect
import dev.hubless.Skill
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.future.await
import kotlinx.serialization.KSerializer
import kotlinx.serialization.json.JsonElement
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.put
import kotlinx.serialization.serializerOrNull
import java.lang.reflect.InvocationTargetException
import java.util.concurrent.CompletionStage
import kotlin.reflect.KFunction
import kotlin.reflect.KParameter
import kotlin.reflect.KType
import kotlin.reflect.full.callSuspendBy
import kotlin.reflect.full.findAnnotation
import kotlin.reflect.full.instanceParameter
import kotlin.reflect.full.valueParameters
import kotlin.reflect.jvm.isAccessible
import kotlin.reflect.jvm.javaType
import kotlin.reflect.jvm.jvmErasure

/** The shape of a type known only at run time. */
internal fun shapeOf(type: KType): Shape<Any?> {
    val erased = type.jvmErasure
    return Shape(erased.javaObjectType) {
        @Suppress("UNCHECKED_CAST")
        (Reader.serializersModule.serializerOrNull(type) ?: serializerOf(type.javaType))
            as KSerializer<Any?>
    }
}

/** One function marked as a skill: its schemas, and how a call becomes its arguments. */
internal class SkillFunction(private val function: KFunction<*>, private val skill: Skill) {
    val id: String = skill.id.ifEmpty { function.name }
    private val self = checkNotNull(function.instanceParameter) { "invariant: a member function" }
    private val inputs = function.valueParameters.filter { !isCall(it) }
    private val contexts = function.valueParameters.filter(::isCall)
    private val shapes = inputs.associateWith { shapeOf(it.type) }
    private val result = resultType(function.returnType)
    private val output = shapeOf(result)

    /** Whether its answer is streamed. */
    val streams: Boolean = function.returnType.jvmErasure == Flow::class

    /** The single parameter that takes the whole input, if the function is of that form. */
    private val whole: KParameter? = inputs.singleOrNull()?.takeIf { takesWhole(it) }

    init {
        function.isAccessible = true
    }

    /** Adds the skill to the agent's options. */
    fun describe(options: AgentOptions) {
        val (input, output) = inputSchema() to if (streams) null else output.schema()
        options.skill(id) {
            title = skill.title.ifEmpty { null }
            description = skill.description.ifEmpty { null }
            tags = skill.tags.toSet()
            effect = skill.effect.takeIf { it != Effect.AT_MOST_ONCE }
            inputSchema = input
            outputSchema = output
        }
    }

    /** Handles a call on [target]. */
    suspend fun invoke(target: Any, call: CallContext): Any? {
        val arguments = HashMap<KParameter, Any?>()
        arguments[self] = target
        for (parameter in contexts) arguments[parameter] = call
        if (whole != null) {
            arguments[whole] = shapes.getValue(whole).read(call.content, "call")
        } else {
            val given = call.content.value as? JsonObject ?: emptyObject
            for (parameter in inputs) {
                val argument = argument(parameter, given) ?: continue
                arguments[parameter] = argument.value
            }
        }
        return answer(run(arguments))
    }

    private fun argument(parameter: KParameter, given: JsonObject): Given? {
        val name = parameter.name.orEmpty()
        val json = given[name]
        if (json != null) return Given(shapes.getValue(parameter).decode(json, "call"))
        if (parameter.isOptional) return null
        if (parameter.type.isMarkedNullable) return Given(null)
        throw decodeError("call", IllegalArgumentException("missing field \"$name\""))
    }

    /** An argument that is given, perhaps as null. */
    private class Given(val value: Any?)

    private suspend fun run(arguments: Map<KParameter, Any?>): Any? = try {
        val value = function.callSuspendBy(arguments)
        if (value is CompletionStage<*>) value.await() else value
    } catch (failure: InvocationTargetException) {
        throw failure.targetException
    }

    private fun answer(value: Any?): Any? = when (value) {
        is Flow<*> -> value.map { answering { output.piece(it) } }
        is Content -> value
        else -> output.write(value)
    }

    private fun inputSchema(): JsonObject? {
        if (whole != null) return shapes.getValue(whole).schema()
        if (inputs.isEmpty()) return null
        val properties = LinkedHashMap<String, JsonElement>()
        for (parameter in inputs) properties[parameter.name.orEmpty()] = propertySchema(parameter)
        val required = inputs.filter { !it.isOptional && !it.type.isMarkedNullable }
        return obj {
            put("type", "object")
            put("properties", JsonObject(properties))
            some("required", required.map { it.name.orEmpty() })
        }
    }

    private fun textSchema(type: KType): JsonObject = obj {
        if (type.isMarkedNullable) {
            put("type", textArray(listOf("string", "null")))
        } else {
            put("type", "string")
        }
    }

    private fun propertySchema(parameter: KParameter): JsonObject {
        val erased = parameter.type.jvmErasure
        val schema = shapes.getValue(parameter).schema()
            ?: if (erased == String::class) textSchema(parameter.type) else emptyObject
        val note = parameter.findAnnotation<Description>()?.text ?: return schema
        return JsonObject(schema + ("description" to JsonPrimitive(note)))
    }
}

private fun isCall(parameter: KParameter) = parameter.type.jvmErasure == CallContext::class

/** What a function answers in the end: flows and futures stand for what comes out of them. */
internal fun resultType(type: KType): KType {
    val erased = type.jvmErasure.java
    val wraps = Flow::class.java.isAssignableFrom(erased) ||
        CompletionStage::class.java.isAssignableFrom(erased)
    return (if (wraps) type.arguments.firstOrNull()?.type else null) ?: type
}

/** Whether a single parameter is an object of its own, and not one member of the input. */
internal fun takesWhole(parameter: KParameter): Boolean {
    val erased = parameter.type.jvmErasure
    if (erased == Content::class || JsonElement::class.java.isAssignableFrom(erased.java)) {
        return true
    }
    val schema = shapeOf(parameter.type).schema() ?: return false
    return "properties" in schema || "oneOf" in schema || "\$ref" in schema
}
