package dev.hubless.testing

import dev.hubless.Node
import kotlinx.coroutines.runBlocking
import org.junit.jupiter.api.extension.AfterEachCallback
import org.junit.jupiter.api.extension.ExtensionContext
import org.junit.jupiter.api.extension.ExtensionContext.Namespace
import org.junit.jupiter.api.extension.ParameterContext
import org.junit.jupiter.api.extension.ParameterResolver

/**
 * Gives tests of JUnit 5 and later a [TestMesh], or the [Node] of one, as a parameter; each test
 * has its own, which is closed after it.
 *
 * JUnit is no dependency of this package: whoever uses the extension has it.
 *
 * @sample dev.hubless.samples.TestingSamples.extension
 */
public class HublessExtension : ParameterResolver, AfterEachCallback {
    /** True for parameters of these types, of a test and of what is run before each. */
    override fun supportsParameter(
        parameter: ParameterContext,
        extension: ExtensionContext,
    ): Boolean = extension.testMethod.isPresent && parameter.parameter.type in TYPES

    /** The mesh of the test, made for its first parameter, or its node. */
    override fun resolveParameter(
        parameter: ParameterContext,
        extension: ExtensionContext,
    ): Any {
        val mesh = synchronized(LOCK) {
            val store = extension.getStore(NAMESPACE)
            store.get(KEY, TestMesh::class.java)
                ?: runBlocking { TestMesh.start() }.also { store.put(KEY, it) }
        }
        return if (parameter.parameter.type == Node::class.java) mesh.node else mesh
    }

    /** Closes the mesh of the test. */
    override fun afterEach(extension: ExtensionContext) {
        extension.getStore(NAMESPACE).remove(KEY, TestMesh::class.java)?.close()
    }

    private companion object {
        const val KEY = "mesh"
        val TYPES = setOf(TestMesh::class.java, Node::class.java)
        val NAMESPACE: Namespace = Namespace.create(HublessExtension::class.java)
        val LOCK = Any()
    }
}
