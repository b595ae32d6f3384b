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

    /**
     * Where its agents say they are, such as `eu` or `on-prem`, for callers whose data policy asks:
     * any in the user's own mesh, in one that was joined those of its ticket; default those of
     * `HUBLESS_ZONES`, else all of the ticket.
     */
    public var zones: Set<String> = emptySet()

    /** Whether to keep everything in memory and write nothing. */
    public var memoryOnly: Boolean = false

    /** Calls of all agents at one time. */
    public var maxConcurrency: Int? = null

    /** What becomes of requests that have lost the call they belong to; default refused. */
    public var orphans: Orphans? = null

    /**
     * File that spans are appended to, as JSON Lines of OTLP, or URL of a collector that they are
     * posted to, such as `http://127.0.0.1:4318/v1/traces`; default that of `HUBLESS_TRACE`.
     */
    public var trace: String? = null

    /**
     * Base URL of the metering gateway of [CallContext.provider], such as
     * `http://127.0.0.1:8430/v1`; default that of `HUBLESS_GATEWAY`.
     */
    public var gateway: String? = null

    /** Spending key that the node has of its gateway; default that of `HUBLESS_GATEWAY_KEY`. */
    public var gatewayKey: String? = null

    /**
     * Key under which receipts of the gateway are believed, as `hubless expose gateway` prints it;
     * default that of `HUBLESS_GATEWAY_SIGNER`.
     */
    public var gatewaySigner: String? = null

    /**
     * What comes back of the grants of calls that other nodes answer: `signed`, what they say that
     * they did not use; `provider`, only what receipts of the gateway show unpaid;
     * `never`, nothing. One word for all of them, or one for each class: `member`, nodes that
     * showed a token of this node's mesh, and `external`, all others. Default that of
     * `HUBLESS_REFUND`, else `member=signed,external=never`.
     */
    public var refund: String? = null

    /**
     * Meets nodes of its mesh on the local networks that it listens to (loopback counts as all
     * then), by multicast DNS (RFC 6762); default that of `HUBLESS_LAN`, else it does not.
     */
    public var lan: Boolean? = null

    /**
     * Relays by which it can be reached and reaches others where there is no direct way, such as
     * `https://relay.example`, at most 4; default those of `HUBLESS_RELAYS`, else those of the
     * ticket by which its mesh was joined.
     */
    public var relays: List<String> = emptyList()

    /**
     * File of the certificates, in PEM, that relays are believed by, and by no others; default that
     * of `HUBLESS_RELAY_CA`, else those that the machine trusts.
     */
    public var relayCa: Path? = null

    /** How long a graceful end may take, at the end of a block and at the end of the JVM. */
    public var grace: Duration = 10.seconds

    /**
     * Scope whose dispatcher runs the handlers and whose end closes the node; default a scope of
     * the node's own on the shared default dispatcher.
     */
    public var scope: CoroutineScope? = null

    /** Handle of the test mesh that it lives in. */
    internal var testing: Long? = null
}
