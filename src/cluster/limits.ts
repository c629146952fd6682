/** Limits of a cluster, each with its reason. */
import { availableParallelism } from 'node:os'

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
/**
 * Guests that a node starts at once; the others wait in order, with their leases. Each takes half a second of a processor, and waits for Postgres and
 * the disk for about as long: when hundreds are taken over, more at once would only make the first one as slow as the last.
 */
export const startsAtOnce: number = Math.min(32, 2 * availableParallelism())
/** A guest that fails so often in a row is not started again until somebody asks for it. */
export const maxStartFailures = 3
/** Requests that wait for guests at a door: each holds a connection. */
export const maxWaitingRequests = 1_000
/** The same of one user: whose guest does not start must not keep out everybody. */
export const maxWaitingOfUser = 100
/** Nodes that speak another protocol only drain. Raised with each change of what nodes say to each other. */
export const protocolVersion = 1
/** The next guest of nobody is begun this long after the last one was taken: it takes a second of processor time, which the guest needs first. */
export const spareAfterMs = 1_000
/** How often a node looks for users who sleep and are due. All nodes look: with a thousand, Postgres answers 500 such questions a second. */
export const dueLookMs = 2_000
/** A guest that has something to do by itself within this time does not sleep before. */
export const nearRunMs = 60_000
/** A node that leaves waits so long for each guest to be elsewhere before it gives the next one away. */
export const arriveMs = 5_000
/**
 * How long a guest that is to be elsewhere waits for the calls that its turns have begun: most end by themselves within that time. A longer one is cut off, as
 * by a crash: it is made again there, or its outcome is unknown if it must not be made twice.
 */
export const settleMs = 30_000
/** A node that is told to end has given its guests away by then, or ends them all at once. Less than deploy/cluster waits for it. */
export const leaveMs = 60_000
/** A node that cannot begin again tries once more after this. */
export const rejoinMs = 1_000
/** A node with less free memory gets a guest only where no other has room: one takes 150 to 250 MB. */
export const tightMb = 300
/** How long a token for a new machine holds, and how many may be open. */
export const inviteMs = 3_600_000
export const maxInvites = 100
/** Certificates of a removed node that were given out until so long after are revoked, too; less than `earlierMs` of certificates. */
export const revokeAheadMs: number = 30 * 60_000
/** Keys that a door has proven and remembers, as hashes. */
export const keptKeys = 10_000
/** Keys that a door proves at once for guests that sleep, each with 32 MiB and 50 ms. */
export const keyChecksAtOnce = 4
/** Webhooks that wake the same guest: one that runs takes them itself. */
export const hookWakesPerMinute = 6
/** How long one request may take to come in at the door for nodes, and how large one of its own is. */
export const maxEnrolBytes = 10_000
/** How often a node looks whether its certificate is to be renewed. */
export const renewCheckMs = 3_600_000

/** A node that has taken a request for hands, and is lost, loses it to another after so long; it says each `renewMs` that it works on it. */
export const handsAckMs = 6_000
/** Requests for hands that a node looks at before it has room for them. */
export const handsAtOnce = 16
/** Sets of labels that hands were ever asked for: each is a queue in NATS. */
export const maxHandsQueues = 200
/** How often a node looks for labels that nobody has asked for before. */
export const handsKeysMs = 10_000
/** Where a node has no room: the request is offered again after so long. */
export const handsRoomMs = 500
/** A place that nobody has come to for so long is of a node that is gone. */
export const handsUnheldMs = 10_000
/** Connections of one guest to its node, for hands elsewhere: each of its branches has up to `maxFarConnections`. */
export const maxHandsSockets = 512
/** How long a node waits for the door of another. */
export const dialMs = 5_000
/** How long a guest waits for a node with room; less than the guest itself does. */
export const handsWaitMs = 30_000
