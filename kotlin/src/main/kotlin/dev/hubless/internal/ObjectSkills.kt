package dev.hubless.internal

import dev.hubless.Agent
import dev.hubless.AgentOptions
import dev.hubless.CallContext
import dev.hubless.ErrorDetails
import dev.hubless.ErrorKind
import dev.hubless.HublessException
import dev.hubless.Skill
import kotlin.reflect.KClass
import kotlin.reflect.KFunction
import kotlin.reflect.full.declaredMemberFunctions
import kotlin.reflect.full.findAnnotation
import kotlin.reflect.full.instanceParameter
import kotlin.reflect.full.memberFunctions
import kotlin.reflect.full.primaryConstructor
import kotlin.reflect.full.valueParameters
import kotlin.reflect.jvm.isAccessible

/** The skills of a class, found once by reflection. */
internal class ObjectSkills private constructor(private val type: KClass<*>) {
    private val functions: Map<String, SkillFunction> = type.memberFunctions
        .filter { it.findAnnotation<Skill>() != null }
        .map { SkillFunction(it, skillOf(it)) }
        .associateBy { it.id }

    private fun skillOf(function: KFunction<*>): Skill =
        checkNotNull(function.findAnnotation<Skill>()) { "invariant: filtered by it" }

    init {
        if (functions.isEmpty()) {
            throw invalidArgument("target", "${type.qualifiedName} has no function marked @Skill")
        }
    }

    /** What the annotations and types say about the agent. */
    fun options(): AgentOptions {
        val agent = type.findAnnotation<Agent>()
        val name = agent?.name?.ifEmpty { null } ?: kebab(type.simpleName.orEmpty())
        val options = AgentOptions(name)
        agent?.let {
            options.title = it.title.ifEmpty { null }
            options.description = it.description.ifEmpty { null }
            options.version = it.version.ifEmpty { null }
            options.tags = it.tags.toSet()
        }
        options.streaming = functions.values.any { it.streams }.takeIf { it }
        for (function in functions.values) function.describe(options)
        return options
    }

    /** The code of the agent on one object. */
    fun handler(target: Any): Handler = Handler { call -> find(call).invoke(target, call) }

    /** The code of the agent on an object that lives for one call. */
    fun instance(target: Any): Serving.Instance = Serving.Instance(handler(target), target)

    /** How a copy of an object is made: its function `copy` with every argument left out. */
    fun copier(): (Any) -> Any {
        val copy = type.declaredMemberFunctions.firstOrNull { function ->
            function.name == "copy" && function.valueParameters.all { it.isOptional }
        } ?: throw invalidArgument(
            "concurrency",
            "isolated needs a factory, a class or a copy function, and ${type.simpleName} has none",
        )
        copy.isAccessible = true
        val self = checkNotNull(copy.instanceParameter) { "invariant: a member function" }
        return { target -> checkNotNull(copy.callBy(mapOf(self to target))) { "copy gave null" } }
    }

    /** How an instance is made without arguments. */
    fun maker(): () -> Any {
        val constructors = listOfNotNull(type.primaryConstructor) + type.constructors
        val found = constructors.firstOrNull { it.parameters.all { one -> one.isOptional } }
            ?: throw invalidArgument(
                "type",
                "${type.qualifiedName} cannot be made without arguments: give a factory",
            )
        found.isAccessible = true
        return { found.callBy(emptyMap()) }
    }

    /** Which skill is meant, the core has said. */
    private fun find(call: CallContext): SkillFunction {
        val skill = call.request.skill
        return functions[skill] ?: throw HublessException(
            ErrorDetails(ErrorKind.INTERNAL, "no function stands behind the skill $skill"),
        )
    }

    companion object {
        private val known = object : ClassValue<ObjectSkills>() {
            override fun computeValue(type: Class<*>) = ObjectSkills(type.kotlin)
        }

        fun of(type: KClass<*>): ObjectSkills = known.get(type.java)

        /** `PricingTools` as the name of an agent: `pricing-tools`. */
        private fun kebab(name: String): String =
            name.replace(Regex("(?<=[a-z0-9])(?=[A-Z])"), "-").lowercase()
    }
}
