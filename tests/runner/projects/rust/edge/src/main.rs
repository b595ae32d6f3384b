//! Uses what foreigners see: whether a line is a message of a stdio agent.

fn main() {
    println!("{}", hubless_edge::stdio::is_message("no message"));
}
