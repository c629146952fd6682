/** Every limit of upgrades, each with its reason. */

/** A list of hashes has a line for each package. */
export const maxListBytes: number = 1024 * 1024
/** A package has 60 MB, most of it Node. */
export const maxPackageBytes: number = 512 * 1024 * 1024
export const maxUnpackedPackageBytes: number = 1024 * 1024 * 1024
/** A package has some 700 files. */
export const maxPackedEntries = 20_000
/** A package over a slow line. */
export const downloadMs: number = 30 * 60_000
/** A large store is copied, restored, migrated and verified in minutes. */
export const stepMs: number = 60 * 60_000
/** What is kept of what a verb prints: its answer is at the end. A list of calls has some hundred kilobytes. */
export const maxPrintedChars: number = 16 * 1024 * 1024
/** How long a program that starts a guest, or a verb, waits for a change of versions; a return takes at most a minute. */
export const changeWaitMs = 90_000
export const changePollMs = 100
/** How often a daemon looks whether a change of versions has said more. */
export const progressPollMs = 1_000
/** How often a new version is looked at while it must stay well. */
export const healthPollMs = 250
/** How often guests are asked which turns they still have. */
export const turnsPollMs = 1_000
/** A server that was stopped has ended by then, or its process id is another program's now. */
export const serverStopMs = 20_000
/** A daemon stops its guests, and has started, by then. */
export const daemonMs = 20_000
/** A service of the system starts a daemon that has ended within seconds. */
export const serviceMs = 5_000
