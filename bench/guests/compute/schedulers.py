"""Calls of methods and queues: tasks that send each other packets, under a scheduler with priorities."""

from collections import deque


class Packet:
    def __init__(self, kind, value):
        self.kind, self.value, self.visited = kind, value, 0


class Task:
    def __init__(self, system, name, priority):
        self.system, self.name, self.priority = system, name, priority
        self.inbox, self.holding = deque(), False
        system.add(self)

    def receive(self, packet):
        self.inbox.append(packet)
        packet.visited += 1

    def ready(self):
        return not self.holding and bool(self.inbox)

    def run(self):
        raise NotImplementedError


class Device(Task):
    def run(self):
        packet = self.inbox.popleft()
        packet.value = (packet.value * 17 + len(self.name)) % 10007
        self.system.send("handler", packet)


class Worker(Task):
    turns = 0

    def run(self):
        packet = self.inbox.popleft()
        self.turns += 1
        packet.kind = "disk" if (packet.value + self.turns) % 3 else "net"
        self.system.send(packet.kind, packet)


class Handler(Task):
    done = 0

    def run(self):
        packet = self.inbox.popleft()
        self.done += 1
        if self.done % 50 == 0:
            self.system.hold("net")
        elif self.done % 50 == 25:
            self.system.release("net")
        self.system.send("worker", packet)


class System:
    def __init__(self):
        self.tasks, self.order, self.switches = {}, [], 0

    def add(self, task):
        self.tasks[task.name] = task
        self.order = sorted(self.tasks.values(), key=lambda one: one.priority)

    def send(self, name, packet):
        self.tasks[name].receive(packet)

    def hold(self, name):
        self.tasks[name].holding = True

    def release(self, name):
        self.tasks[name].holding = False

    def go(self, steps):
        for _ in range(steps):
            for task in self.order:
                if task.ready():
                    task.run()
                    self.switches += 1
                    break
            else:
                self.release("net")


system = System()
worker, handler = Worker(system, "worker", 3), Handler(system, "handler", 2)
disk, net = Device(system, "disk", 1), Device(system, "net", 4)
packets = [Packet("disk", number * 13) for number in range(12)]
for packet in packets:
    worker.receive(packet)
system.go(75000)
print(
    system.switches,
    worker.turns,
    handler.done,
    sum(packet.value for packet in packets),
    max(p.visited for p in packets),
)
