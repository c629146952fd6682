/** Limits of a cluster, each with its reason. */

/** A lease, and a node's presence, end this long after they were last renewed: how long a takeover waits for a node that may only be slow. */
export const leaseMs = 10_000
/** Three renewals may fail before a lease is over. */
export const renewMs = 2_500
/** A holder stops this much earlier than the lease ends: its guest needs a moment, and clocks do not run at quite the same speed. */
export const leaseMarginMs = 1_500
/** How often a node looks for users whose node is gone. */
export const sweepMs = 1_000
/** A node asks for the same user again after so long: by then a wake that was not lost has been taken. */
export const wakeAgainMs = 3_000
/** A wake that nobody has taken for so long is of a node that is gone, or of a door whose caller has given up. */
export const wakeMaxAgeMs = 30_000
/** A node that takes a wake, and dies before it holds the lease, loses it to another after so long. */
export const wakeAckMs = 5_000
/** Where no node has room: the wake is offered again after so long. */
export const noRoomMs = 1_000
/** Wakes that a node works on at once: more would only start later, all of them. */
export const wakesAtOnce = 8
/** How often a door looks whether the guests that it forwards to are still where they were. */
export const doorCheckMs = 250
/** How long a door waits for a guest that is being woken or taken over. */
export const doorWaitMs = 30_000
/** How long a node waits for the guest before, of a node process that was killed, to end. */
export const oldGuestMs = 15_000
/** A guest that fails so often in a row is not started again until somebody asks for it. */
export const maxStartFailures = 3
/** Requests that wait for guests at a door: each holds a connection. */
export const maxWaitingRequests = 1_000
/** Nodes that speak another protocol only drain. Raised with each change of what nodes say to each other. */
export const protocolVersion = 1
