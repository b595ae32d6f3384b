package dev.hubless

import dev.hubless.internal.Shape
import dev.hubless.internal.emptyObject
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.serializer

/**
 * Derives the JSON Schema (2020-12) of a type; null for types that take any content.
 *
 * @sample dev.hubless.samples.AgentSamples.schema
 */
public inline fun <reified T> jsonSchema(): JsonObject? = schemaOfShape(shapeOf<T>())

@PublishedApi
internal inline fun <reified T> shapeOf(): Shape<T> = Shape(T::class.java) { serializer<T>() }

@PublishedApi
internal fun schemaOfShape(shape: Shape<*>): JsonObject? = shape.schema()

@PublishedApi
internal fun <I, O> typedTool(
    name: String,
    description: String,
    effect: Effect?,
    shapes: Pair<Shape<I>, Shape<O>>,
    function: suspend (I) -> O,
): Tool = Tool(
    name = name,
    description = description,
    inputSchema = shapes.first.schema() ?: emptyObject,
    outputSchema = shapes.second.schema(),
    effect = effect,
) { arguments -> shapes.second.write(function(shapes.first.decode(arguments, "tool $name"))) }
