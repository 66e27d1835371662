"""Our relay beside stock websockify: throughput, round trip and memory a console, on the same sockets."""
