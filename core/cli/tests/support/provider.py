"""A provider that bills: each line of a client is a number of tokens, answered with the sum so
far; it says its port first."""

import socketserver
import threading

total = 0
lock = threading.Lock()


class Client(socketserver.StreamRequestHandler):
    def handle(self):
        global total
        for line in self.rfile:
            with lock:
                total += int(line)
                self.wfile.write(b"%d\n" % total)


class Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


with Server(("127.0.0.1", 0), Client) as server:
    print(server.server_address[1], flush=True)
    server.serve_forever()
