/** Every limit of the host, each with its reason. */

/** A cold guest is ready in well under a second, on a swapping machine in several; after this time it hangs. */
export const guestReadyTimeoutMs = 30_000
/** The guest suspends running turns and flushes its store; after this time it hangs. */
export const guestStopTimeoutMs = 10_000
/** A loopback port answers at once or not at all. */
export const portProbeTimeoutMs = 1_000
/** Two terminals started together: the second waits this long for the first one's guest to listen, before it starts one itself. */
export const otherGuestTimeoutMs = 1_000
/** Attempts to find or start a guest: the guest of another verb may end before it is found. */
export const otherGuestTries = 8
/** How long a verb that is done keeps the guest it started for others that use it. A longer one starts another guest, or fails. */
export const maxLingerMs = 5_000
/** Interval at which the second terminal checks. */
export const otherGuestPollMs = 50
/** One line from a guest; a journal record with a full blob is the largest thing it sends. */
export const maxGuestLineBytes: number = 64 * 1024 * 1024
/** What guests write to standard error, over this size, gets another name at the next start, so that there are at most two files. */
export const maxGuestLogBytes: number = 8 * 1024 * 1024
/** Length of a user name: fits every file system and a status line. */
export const maxUserLength = 64
/** Configuration files are written by hand; a larger one is something else. */
export const maxConfigBytes: number = 1024 * 1024
/** Tables in tables: a key has at most six parts, and settings of a plugin some more. */
export const maxConfigDepth = 32
/** Kept configurations of a user: of files of a usual size there is room for all, and for one of the largest. */
export const maxKeptConfigBytes: number = 16 * 1024 * 1024
/** Signed heads kept for a user, about 1 MB; over it, every second one of the older half is removed. */
export const maxSignedHeads = 2_048
/** Loopback port of the proxy to models, inside the isolated guest's own network namespace, where nothing else uses it. */
export const isolatedProxyPort = 8119
/** Parameters of scrypt for passphrases: 128 MiB and half a second on a fast core for each guess. */
export const scryptCost: number = 2 ** 17
export const scryptBlock = 8
export const scryptLanes = 1
/** Time limit for one file of an embedder: half a gigabyte over a slow connection. */
export const embedderPullMs: number = 30 * 60_000
/** Redirects to the host that stores a large file: one or two are usual. */
export const embedderRedirects = 5
/** Attempts to download one file; each resumes the one before. */
export const embedderTries = 5
/** How long a partial download is kept, so that a later pull can resume it. */
export const embedderLeftoverMs: number = 7 * 24 * 60 * 60_000
/** A signed head is counted when it is this old: by then it is on the disk, so a power loss cannot leave a count without its head. */
export const headCountDelayMs = 60_000
/** A plugin's tarball: npm's have a megabyte or two. Unpacked it must not fill a disk, however well it is packed. */
export const maxArchiveBytes: number = 64 * 1024 * 1024
export const maxUnpackedBytes: number = 512 * 1024 * 1024
export const maxArchiveEntries = 50_000
/** A folder that a person names may have what its plugin needs along with it; a home folder is a mistake. */
export const maxFolderBytes: number = 1024 * 1024 * 1024
export const maxFolderEntries = 100_000
/** Installing takes minutes on a slow line. */
export const npmInstallMs = 600_000

/** Fetching a repository or an archive over a slow line. */
export const gitFetchMs = 300_000

/** Characters of texts of all characters that a host of elizaOS is given at its start, in one message. */
export const maxHandedCharacters = 400_000
/** How long a change of `plugins.lock` waits for another process's, and how often it looks; a change takes milliseconds. */
export const lockWaitMs = 10_000
export const lockPollMs = 10

/** Editors write a file in several steps, within milliseconds; a reload is to be noticed at once. */
export const configSettleMs = 10
/** A guest that has served for so long, or has ended in order before, works with its configuration. */
export const healthyGuestMs = 30_000

/** Pause before a lost guest is started again; each further loss within the window doubles it. */
const firstRestartMs = 1_000
const maxRestartMs = 60_000
/** @param losses at least 1 */
export const restartPauseMs = (losses: number): number => Math.min(firstRestartMs * 2 ** (losses - 1), maxRestartMs)
export const lossWindowMs = 600_000
/** So many losses within the window, and no guest is started any more. */
export const maxLosses = 5
/** How often a server looks whether the guest that a terminal has started in place of its own is gone. */
export const otherGuestLookMs = 1_000

/** After the answer to what stops a server, so that its page receives it. */
export const stopDelayMs = 150
/** Of a log, what a page shows: its end, and of each line its beginning, which has time and cause. */
export const maxShownLogBytes: number = 1024 * 1024
export const maxShownLogLine = 4_000
/** Spaces of a person. Each is a workspace, and a list of more nobody reads. */
export const maxSpaces = 2_000
/** Files whose sizes a list of spaces adds up, some 100 ms: of a space with more the size is not told. */
export const maxSizedFiles = 20_000
/** Moves between spaces that can be taken back. */
export const maxKeptMoves = 100

/** How long the process of channels may take to end: it sends what is under way. */
export const channelEndMs = 5_000
