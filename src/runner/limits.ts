/** Every limit of the host, each with its reason. */

/** A cold guest is ready in well under a second; a machine that swaps may need much longer, a hung one is told apart here. */
export const guestReadyTimeoutMs = 30_000
/** The guest lets running turns stand and flushes its store; more than this and it hangs. */
export const guestStopTimeoutMs = 10_000
/** A loopback port answers at once or not at all. */
export const portProbeTimeoutMs = 1_000
/** Two terminals started together: the second waits this long for the first one's guest to listen, before it tries again itself. */
export const otherGuestTimeoutMs = 1_000
/** Times that it tries: a verb that was faster may be done, and its guest gone, before anybody has found it. */
export const otherGuestTries = 8
/** How often the second terminal looks. */
export const otherGuestPollMs = 50
/** One line from a guest; a journal record with a full blob is the largest thing it sends. */
export const maxGuestLineBytes: number = 64 * 1024 * 1024
/** A guest log over this size becomes `guest.log.1` at the next start, so that two files are the most there is. */
export const maxGuestLogBytes: number = 8 * 1024 * 1024
/** A name that fits every file system and a status line. */
export const maxUserLength = 64
/** A configuration is written by hand; anything larger is another file. */
export const maxConfigBytes: number = 1024 * 1024
/** Signed heads kept for a user, about 1 MB; over it, every second one of the older half goes, so old history gets sparser. */
export const maxSignedHeads = 2_048
/** Loopback port of an isolated guest at which it finds its way to models; its own, so nobody else has it. */
export const isolatedProxyPort = 8119
/** How scrypt makes a key of a passphrase: 128 MiB and half a second on a quick core, so that guessing costs as much each time. */
export const scryptCost: number = 2 ** 17
export const scryptBlock = 8
export const scryptLanes = 1
/** Longest download of one file of an embedder: half a gigabyte over a slow line. */
export const embedderPullMs: number = 30 * 60_000
/** Redirects to where large files are kept: one or two are usual. */
export const embedderRedirects = 5
/** Times that one file is taken up again: a line that breaks more often is for another day. */
export const embedderTries = 5
/** How long half a model is kept for a pull that goes on with it: who wants it tries again within days. */
export const embedderLeftoverMs: number = 7 * 24 * 60 * 60_000
/** A signed head is counted when it is this old: by then it is on the disk, so that no loss of power leaves a count without its head. */
export const headCountDelayMs = 60_000
