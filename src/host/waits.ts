// What packets wait for on a host, as text, beside what walks wait for (simulation/waits.ts).

/** Which ports are bound here. */
export const WAIT_FOR_BINDINGS = 'bindings'

const INTERFACE = 'interface/'
/** A port is about to be activated at an interface. */
export const waitForInterface = (ifindex: number): string => `${INTERFACE}${ifindex}`
/** Whether the cause is an interface that is not there yet. */
export const isForInterface = (cause: string): boolean => cause.startsWith(INTERFACE)

/** The way to another host. */
export const waitForTunnel = (host: string): string => `tunnel/${host}`

/** Who may send us tunnelled frames. */
export const WAIT_FOR_SENDERS = 'tunnel-senders'

/** With which ports a port shares the state of its flows. */
export const WAIT_FOR_GROUPS = 'port-groups'

/** The answer of other hosts to a question about state. */
export const waitForPull = (ticket: number): string => `pull/${ticket}`

/** Nothing: what is in the way of an outcome has gone, and the packet is walked at once. */
export const WALK_AGAIN = 'again'

// What routers wait for. Nobody is asked for it by a walk without a packet.
const NEIGHBOUR = 'neighbour/'
/** Whether the cause is a neighbour's address. */
export const isForNeighbour = (cause: string): boolean => cause.startsWith(NEIGHBOUR)
