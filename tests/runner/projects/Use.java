import dev.hubless.async.AsyncNode;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** A whole program in Java: an agent of futures, called through a typed proxy. */
public final class Use {
    /** What the agent takes. */
    public record Name(String name) {}

    /** The agent as its caller sees it. */
    public interface Greeter {
        /** Greets. */
        CompletableFuture<String> greet(Name name);
    }

    private Use() {}

    /** Prints one greeting. */
    public static void main(String[] arguments) throws Exception {
        try (AsyncNode node = AsyncNode.start(options -> {}).get(20, TimeUnit.SECONDS)) {
            node.agent("greet")
                    .handle(Name.class, String.class, (query, call) ->
                            CompletableFuture.completedFuture("hello " + query.name()))
                    .get(10, TimeUnit.SECONDS);
            Greeter greeter = node.proxy(Greeter.class, "greet");
            System.out.println(greeter.greet(new Name("project")).get(10, TimeUnit.SECONDS));
        }
    }
}
