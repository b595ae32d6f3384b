package dev.hubless

import kotlinx.coroutines.CoroutineScope
import java.nio.file.Path
import kotlin.time.Duration
import kotlin.time.Duration.Companion.seconds

/**
 * How a node starts; each field left null has the default of the core or of `HUBLESS_*`.
 *
 * @sample dev.hubless.samples.NodeSamples.start
 */
@HublessDsl
public class NodeOptions {
    /** Name of a node with a stored key; default a fresh key at each start. */
    public var name: String? = null

    /** Mesh to be a member of; default `HUBLESS_MESH`, else the one joined last, else one's own. */
    public var mesh: String? = null

    /** Folder for data and runtime files; default `HUBLESS_HOME`, else the platform's. */
    public var home: Path? = null

    /** Where to listen: `loopback` (default), `all`, or addresses. */
    public var listen: List<String> = emptyList()

    /** UDP port; default any. */
    public var port: Int? = null

    /** Whether to keep everything in memory and write nothing. */
    public var memoryOnly: Boolean = false

    /** Calls of all agents at one time. */
    public var maxConcurrency: Int? = null

    /** How long a graceful end may take, at the end of a block and at the end of the JVM. */
    public var grace: Duration = 10.seconds

    /**
     * Scope whose dispatcher runs the handlers and whose end closes the node; default a scope of
     * the node's own on the shared default dispatcher.
     */
    public var scope: CoroutineScope? = null
}
