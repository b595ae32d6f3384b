import sys

import hubless.sync as hubless

greet = hubless.peer("greet")
print(greet(name=sys.argv[1] if len(sys.argv) > 1 else "world"))
