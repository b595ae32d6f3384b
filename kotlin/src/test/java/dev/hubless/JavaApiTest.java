package dev.hubless;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.hubless.async.AsyncNode;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** The package as Java sees it. */
class JavaApiTest {
    record RateQuery(String pair, int times) {}

    record Rate(double value) {}

    interface RateService {
        CompletableFuture<Rate> rate(RateQuery query);
    }

    public static class Tools {
        @Skill(description = "adds")
        public int add(int a, int b) {
            return a + b;
        }

        @Skill
        public CompletableFuture<String> later(String text) {
            return CompletableFuture.supplyAsync(() -> text + " later");
        }
    }

    private AsyncNode node;

    @BeforeEach
    void start() throws Exception {
        node = AsyncNode.start(options -> options.setHome(SupportKt.getTestHome()))
                .get(20, TimeUnit.SECONDS);
    }

    @AfterEach
    void close() {
        node.close();
    }

    private void registerRate() throws Exception {
        node.agent("rate")
                .description("historic FX rates")
                .tags("fx")
                .handle(RateQuery.class, Rate.class, (query, call) ->
                        CompletableFuture.completedFuture(new Rate(1.5 * query.times())))
                .get(20, TimeUnit.SECONDS);
    }

    @Test
    void recordsTravelThroughFuturesBuildersAndProxies() throws Exception {
        registerRate();
        var query = new RateQuery("EURUSD", 2);
        var rate = node.request("rate", query, Rate.class).get(20, TimeUnit.SECONDS);
        assertEquals(new Rate(3), rate);
        var built = node.call("rate").input(query).skill("rate").timeout(Duration.ofSeconds(5));
        assertEquals(new Rate(3), built.request(Rate.class).get(20, TimeUnit.SECONDS));
        var service = node.proxy(RateService.class, "rate");
        assertEquals(new Rate(3), service.rate(query).get(20, TimeUnit.SECONDS));
        var peer = node.peer(q -> q.tag("fx")).get(20, TimeUnit.SECONDS);
        assertEquals("rate", peer.getName());
    }

    @Test
    void errorsKeepTheirKind() throws Exception {
        registerRate();
        var wrong = node.request("rate", List.of(1), Rate.class);
        var thrown = assertThrows(ExecutionException.class, () -> wrong.get(20, TimeUnit.SECONDS));
        assertInstanceOf(Rejected.class, thrown.getCause());
        assertEquals(ErrorKind.JSON, ((HublessException) thrown.getCause()).getKind());
        var sent = node.call("rate").input(List.of(1)).send().get(20, TimeUnit.SECONDS);
        assertEquals(ErrorKind.JSON, sent.getRejection().getKind());
    }

    @Test
    void idsAreReadWithoutANode() {
        assertEquals(new Identity("sum", null, null), Hubless.inspectId("Sum"));
        var address = Hubless.inspectId("7:abcd.ef01.2345", IdentityKind.ADDRESS);
        assertEquals("7:ABCD.EF01.2345", address.getText());
        var wrong = assertThrows(HublessException.class, () -> Hubless.inspectId("a b"));
        assertEquals("bad_name", wrong.getCode());
    }

    @Test
    void cancellingAFutureInterruptsABlockingHandler() throws Exception {
        var started = new CountDownLatch(1);
        var interrupted = new CountDownLatch(1);
        node.agent("slow")
                .handleBlocking(String.class, String.class, (text, call) -> {
                    started.countDown();
                    try {
                        new CountDownLatch(1).await();
                        return "never";
                    } catch (InterruptedException stopped) {
                        interrupted.countDown();
                        throw stopped;
                    }
                })
                .get(20, TimeUnit.SECONDS);
        var asking = node.request("slow", "?", String.class);
        assertTrue(started.await(5, TimeUnit.SECONDS));
        asking.cancel(true);
        assertTrue(interrupted.await(5, TimeUnit.SECONDS));
    }

    @Test
    void aCancelledStageIsNoFailureOfItsHandler() throws Exception {
        node.agent("gives-up")
                .handle(String.class, String.class, (text, call) -> {
                    var stage = new CompletableFuture<String>();
                    if (text.equals("cancel")) {
                        stage.cancel(true);
                    } else {
                        stage.completeExceptionally(new IllegalStateException("broken on purpose"));
                    }
                    return stage;
                })
                .get(20, TimeUnit.SECONDS);
        var cancelled = node.call("gives-up").input("cancel").send().get(20, TimeUnit.SECONDS);
        assertEquals(ErrorKind.CANCELLED, cancelled.getRejection().getKind());
        var broken = node.call("gives-up").input("fail").send().get(20, TimeUnit.SECONDS);
        assertEquals(ErrorKind.HANDLER_FAILED, broken.getRejection().getKind());
        assertTrue(broken.getRejection().getMessage().contains("broken on purpose"));
    }

    @Test
    void piecesAreStreamedToAConsumer() throws Exception {
        node.agent("ticks")
                .handleBlocking(Integer.class, Integer.class, (n, call) -> {
                    for (int i = 0; i < n; i++) {
                        call.emit(i).get(20, TimeUnit.SECONDS);
                    }
                    return n;
                })
                .get(20, TimeUnit.SECONDS);
        var seen = new CopyOnWriteArrayList<Integer>();
        node.call("ticks").input(3).stream(Integer.class, seen::add).get(20, TimeUnit.SECONDS);
        assertEquals(List.of(0, 1, 2), seen);
    }

    @Test
    void markedMethodsOfAnObjectAreSkills() throws Exception {
        node.register(new Tools()).get(20, TimeUnit.SECONDS);
        var sum = node.call("tools").skill("add").input(java.util.Map.of("a", 3, "b", 4));
        assertEquals(7, sum.request(Integer.class).get(20, TimeUnit.SECONDS));
        var later = node.call("tools").skill("later").input(java.util.Map.of("text", "see"));
        assertEquals("see later", later.request(String.class).get(20, TimeUnit.SECONDS));
    }

    private static <T> CompletableFuture<T> now(T value) {
        return CompletableFuture.completedFuture(value);
    }

    @Test
    void rulesToolsAndQuestionsAreFunctions() throws Exception {
        var counted = new AtomicInteger();
        var guarded = node.agent("guarded")
                .auth(attempt -> now(attempt.getCredential().equals("letmein")))
                .countTokens(texts -> counted.addAndGet(texts.size()))
                .configure(options -> options.requirements(rules -> {
                    rules.setMaxTokens(20L);
                    return kotlin.Unit.INSTANCE;
                }))
                .handle(String.class, Double.class, (text, call) -> call
                        .askCaller("which?", String.class)
                        .thenCompose(answer ->
                                call.callTool("lookup", new RateQuery(answer, 3), Double.class)))
                .get(20, TimeUnit.SECONDS);
        var refused = node.call("guarded").input("?").send().get(20, TimeUnit.SECONDS);
        assertEquals(ErrorKind.AUTH, refused.getRejection().getKind());
        var letmein = new Credential("custom", "letmein");
        node.credentials(guarded.getAgentId(), target -> now(letmein)).get(20, TimeUnit.SECONDS);
        var answer = node.call("guarded")
                .input("?")
                .onInput(question -> now("EURUSD"))
                .tool("lookup", "looks a rate up", RateQuery.class,
                        query -> now(query.pair().length() * 1.5))
                .request(Double.class)
                .get(20, TimeUnit.SECONDS);
        assertEquals(9.0, answer);
        assertTrue(counted.get() > 0);
    }

    @Test
    void theDirectoryIsReadThroughFutures() throws Exception {
        registerRate();
        assertEquals(1, node.status().get(20, TimeUnit.SECONDS).getAgents());
        assertEquals(1, node.describe("rate").get(20, TimeUnit.SECONDS).getSkills().size());
        var listed = node.listAgents(Scope.LOCAL).get(20, TimeUnit.SECONDS);
        assertEquals("rate", listed.get(0).getName());
        var found = new CompletableFuture<Peer>();
        var discovering = node.discover(query -> query.tag("fx"), found::complete);
        assertEquals("rate", found.get(20, TimeUnit.SECONDS).getName());
        discovering.cancel(true);
        var snapshot = new CompletableFuture<Change>();
        var watching = node.watch(query -> query.tag("fx"), snapshot::complete);
        assertInstanceOf(Change.Snapshot.class, snapshot.get(20, TimeUnit.SECONDS));
        watching.cancel(true);
        var sent = node.send(new AgentRequest("rate", "no JSON")).get(20, TimeUnit.SECONDS);
        assertEquals(ErrorKind.JSON, sent.getRejection().getKind());
    }

    @Test
    void aTicketJoinsAnotherFolder() throws Exception {
        var ticket = node.invite(options -> options.setLocal(true)).get(20, TimeUnit.SECONDS);
        var elsewhere = java.nio.file.Files.createTempDirectory(SupportKt.getTestHome(), "java");
        var joined = AsyncNode.join(ticket, elsewhere).get(20, TimeUnit.SECONDS);
        assertEquals(node.getNode().getMeshId(), joined);
    }

    @Test
    void whatWouldBeRefusedIsSaidWithoutACall() throws Exception {
        var agent = node.agent("number")
                .handle(Integer.class, Integer.class, (n, call) -> now(n))
                .get(20, TimeUnit.SECONDS);
        assertEquals(ErrorKind.JSON, node.check(agent, "text").get(20, TimeUnit.SECONDS).getKind());
        assertEquals(null, node.check(agent, 4).get(20, TimeUnit.SECONDS));
    }

    @Test
    void callsInsideAHandlerAreItsChildren() throws Exception {
        node.agent("inner")
                .handleBlocking(String.class, Integer.class,
                        (text, call) -> call.getContext().getDepth())
                .get(20, TimeUnit.SECONDS);
        node.agent("outer")
                .handle(String.class, Integer.class, (text, call) ->
                        call.call("inner").input(text).request(Integer.class))
                .get(20, TimeUnit.SECONDS);
        assertEquals(1, node.request("outer", "?", Integer.class).get(20, TimeUnit.SECONDS));
    }
}
