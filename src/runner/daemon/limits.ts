/** Every limit of the daemon, each with its reason. */

/** Flags of Node for a program that does little, for months: compilers that never run are 8 MB of Node's program that stay on the disk. */
export const daemonFlags = ['--max-semi-space-size=1', '--v8-pool-size=1', '--no-opt', '--no-maglev', '--no-sparkplug'] as const

/** Programs connected to one control socket: terminals connect for a moment, one that watches stays. */
export const maxControlClients = 64
/** Requests of one client that are not answered yet; `events` waits. */
export const maxControlRequests = 16
/** A client that has left so much unread does not read. */
export const maxUnreadBytes: number = 1024 * 1024
/** A message that has begun is on this machine: it ends at once or never. */
export const slowMessageMs = 10_000

/** How long a terminal waits for a daemon: one that starts a guest takes as long as a start. */
export const controlAnswerMs = 75_000
/** A daemon that runs accepts at once. */
export const controlConnectMs = 2_000

/** Events of the host in its file, and how many of them stay when it is cut. */
export const maxHostEvents = 10_000
export const keptHostEvents = 5_000
/** Events about one user within a minute: a guest whose user kills it all the time must not fill the file. */
export const userEventsPerMinute = 30

/** How often an idle guest is asked what it has to do, at most and at least, and the part of `runner.idle_stop_min` in between. */
export const maxIdleLookMs = 60_000
export const minIdleLookMs = 1_000
export const idleLookPart = 5
/** A schedule that is due within this time is near: a start takes a second, and the person may have set the clock. */
export const nearMs: number = 15 * 60_000
/** A guest that does not say within this time what it has to do is busy. */
export const restAnswerMs = 10_000

/** One line of a keeper, which is of a user: it reports, and holds no text of people. */
export const maxKeeperLineBytes: number = 16 * 1024
/** A keeper that has been told to stop has stopped its guest by then, or is killed. */
export const keeperStopMs = 20_000
/** Signing writes to the disk of root: heads that come faster are joined. */
export const minSealMs = 200

/** Bytes at the end of a log whose lines are read. */
export const maxLogBytes: number = 96 * 1024
/** Programs of the system that the daemon asks: getent, setquota, systemctl. */
export const hostProgramMs = 10_000
