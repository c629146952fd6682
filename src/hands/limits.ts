/** Limits inside the sandbox. They keep hands small and responsive; the sandbox as a whole is limited from outside. */

const kib = 1024
const mib = 1024 * kib

/** Maximum of concurrent requests. The kernel sends far fewer; each may hold a file or a command. */
export const maxRequests = 64
/** Maximum size of one request: a file to write, with JSON escapes. */
export const maxRequestBytes: number = 32 * mib
/** Maximum size of all requests that are partly received: the kernel sends large ones one after another, and small ones in between. */
export const maxPendingBytes: number = 40 * mib
/** Maximum size of one reply: two outputs of 4 MiB; each byte may become three. */
export const maxReplyBytes: number = 32 * mib
/** Maximum length of a failure's message or hint; the kernel rejects longer ones. */
export const maxFailureCharacters = 4_000
/** At the start, how often a device is polled until the host has opened its other end. */
export const hostPollMs = 20
/** How long running requests may take to stop at shutdown: a command gets its grace period, then is killed. */
export const endLimitMs = 1_500
/** Maximum length of a path (PATH_MAX of Linux). */
export const maxPathBytes = 4096

/** Files are read in blocks of this size: few system calls, little memory. */
export const readBlockBytes: number = 256 * kib
/** A file that is copied is flushed to disk each time it has grown by this much: a slow disk takes half a second for it. */
export const copySyncBytes: number = 32 * mib
/** Maximum size of one range that is read, or of one chunk that is written. */
export const maxReadBytes: number = 8 * mib
/** Maximum of concurrent uploads; each holds a descriptor and a hidden file. */
export const maxUploads = 32
/** A transfer that is not continued for this long is dropped. */
export const transferIdleMs = 60_000
/** Maximum length of the name that a caller gives a transfer. */
export const maxTransferName = 100
/** Maximum size of a file before and after an edit: it is held in memory twice. */
export const maxEditBytes: number = 16 * mib
/** How often an edit is recomputed when another program has changed the file meanwhile. */
export const maxReplaceTries = 5
/** Maximum of occurrences that one edit replaces: the text between each two becomes a string. */
export const maxEditPlaces = 1_000_000
/** Lines that are compared to find the nearest match of a failed edit; keeps a failed edit of a huge file fast. */
export const maxCompareLines = 20_000
/** Lines that are compared for it in total: about 0.1 s, during which nothing else runs. */
export const maxBlockCompares = 1_000_000
/** Lines and characters of a file that an error message shows. */
export const excerptLines = 8
export const excerptCharacters = 400

/** Files that one patch changes, and their size, old and new together: all are in memory until it is done. */
export const maxPatchFiles = 500
export const maxPatchBytes: number = 32 * mib
/** Maximum of lines of one file. */
export const maxPatchLines = 1_000_000
/** Lines that are compared for each file to find hunks at another offset than theirs: well below a second. */
export const maxPatchCompares = 10_000_000

/** Maximum of entries that are read of one folder; a longer listing is truncated and marked as such. */
export const maxFolderEntries = 20_000
/** Maximum depth of folders; deeper ones are a loop of mounts or malice. */
export const maxDepth = 64

/** Entries that a survey reads before it yields: some milliseconds. */
export const surveyAtOnce = 1_000

/** A longer matching line is truncated. */
export const maxMatchCharacters = 300
/** Timeout of one pattern on one block of lines (or one folder's names), during which nothing else runs. */
export const patternTimeoutMs = 500
/** Maximum length of a pattern. */
export const maxPatternCharacters = 1000
/** Entries that are matched, and files that are read, at once. A batch of small files needs about 3 MB. */
export const walkBatchEntries = 48
/** Files up to this size are read whole and searched together; larger ones block by block. */
export const smallFileBytes: number = 64 * kib
/** How much of an ignore file is read. Real ones have a few dozen lines; longer ones are malice, and slow down every match. */
export const maxIgnoreBytes: number = 64 * kib
export const maxIgnoreRules = 2_000
/** Block size of a search; a longer line is searched in pieces. */
export const searchBlockBytes: number = 512 * kib

/** Time between SIGTERM and SIGKILL. Cancel must feel immediate, yet lets a program remove its temporary files. */
export const terminateGraceMs = 500
/** How often the process table is read while processes end. */
export const treePollMs = 10
/** If processes still live after this long, hands exit, and the whole sandbox with them. */
export const killLimitMs = 3_000
/** How long the pipes of a command are read after its last process has exited. */
export const drainMs = 1_000
/** The same where the output is carried: a port of an emulated machine takes a second for a megabyte. */
export const carriedDrainMs = 5_000
/** Processes and threads that are reserved for hands: four that read files, one for each search, and the next shell. */
export const reservedProcesses = 16
/** How much of a running command's output is kept to be shown live: a screenful. */
export const maxTailBytes = 4_096
/** Larger files that a command names are compared by size and time. */
export const maxHashedBytes: number = 8 * 1024 * kib
/** Maximum size of a command and of its standard input. Linux refuses a single argument over 128 KiB (MAX_ARG_STRLEN). */
export const maxCommandBytes: number = 120 * kib

/** Maximum of concurrent sessions, shells and jobs together: each is at least one process and some buffers. */
export const maxSessions = 16
/** How many ended sessions are kept until their output has been read, and for how long. */
export const maxEndedSessions = 16
export const keepEndedMs = 600_000
/** How many ids of dropped sessions are kept, with how each ended, for a later request. */
export const maxGoneSessions = 100
/** How much of the newest output of one session is kept. 32 MiB if all sessions are full. */
export const maxSessionBytes: number = mib
/** Maximum size of one page of output; as JSON each byte may become six. */
export const maxSessionPageBytes: number = 256 * kib
/** Maximum size of one input, and of all input that the program has not read yet. */
export const maxSessionInputBytes: number = 64 * kib
export const maxWaitingInputBytes: number = 256 * kib
/** Delay before input is written again to a terminal whose buffer was full. */
export const terminalRetryMs = 20
/** The prompt itself follows its mark in one write; this allows for a machine under load. */
export const promptSettleMs = 30
/** How long a shell may take to redraw its prompt after its terminal was resized; some never do. */
export const redrawMs = 300
/** How long a new shell is waited for until its first prompt (normally 5 ms); then it is returned as it is. */
export const shellStartMs = 3_000
/** Throttle of one session's output: 10 MB/s cost hands a few per cent of a core, a flood all of it. */
export const floodWindowBytes: number = mib
export const floodWindowMs = 100
/** Longer commands of jobs are truncated in a listing. */
export const shownCommandCharacters = 200
/** Maximum of columns, and of rows, of a terminal. */
export const maxTerminalCells = 1_000

/** Maximum of tabs of all conversations together: each is a process of 50 to 100 MB. */
export const maxTabs = 20
/** Maximum of browsers, one for each agent that uses one: each is five processes before its first page. */
export const maxBrowsers = 3
/** A tab that was unused for this long may be closed when another conversation needs one. */
export const staleTabMs = 300_000
/** Maximum of windows that a page opens during one action; a click normally opens one. */
export const maxPopUps = 3
/** Maximum of dialogs that a page shows during one action; a page with more is closed. */
export const maxDialogs = 10
/** From the start of Chromium to its first page. Measured: 0.7 s idle; a machine under load may need many times that. */
export const browserStartMs = 30_000
/** How long a browser may take to exit; after that it ends with the sandbox. */
export const browserEndMs = 5_000
/** Deadline for the reply to a cancelled action, whatever the page does; the kernel does not wait much longer. */
export const browserCancelMs = 2_000
/** How long a page may take to load, with its own scripts and styles. */
export const navigationMs = 30_000
/** How long a click may take, for an element that moves or is covered. */
export const elementMs = 5_000
/** After an action, how long to wait until the page has settled (navigation, requests of scripts). */
export const settleMs = 4_000
/** A page is settled when nothing has changed for this long. */
export const quietMs = 150
/** A page that does not respond to a snapshot for this long is closed. */
export const lookMs = 6_000
/** Frames that have not loaded by then are left out of the first snapshot. */
export const frameMs = 2_000
/** Maximum of elements of a page in a snapshot. Measured: 1.3 s for 20 000, 4 s for 40 000. */
export const maxTreeElements = 25_000
/** Maximum of text of one page that is kept for further reading; the rest is truncated. */
export const maxPageCharacters: number = 1024 * kib
/** Limits of a page's notes, title and address. */
export const maxNoteCharacters = 300
export const maxNotes = 20
export const maxTitleCharacters = 300
export const maxAddressCharacters = 8_000
/** Maximum height of a screenshot of a whole page, several screens; scroll to see more. */
export const maxPictureHeight = 8_000
/** Downloads that are listed for one conversation, and that run at once in all of them. */
export const maxDownloads = 30
export const maxRunningDownloads = 4
export const maxDownloadBytes: number = 200 * mib
/** How often running downloads are measured. */
export const downloadPollMs = 250
/** Maximum length of a file name from a page, with its extension. */
export const maxDownloadName = 120
/** How many files of one name get a number appended. */
export const maxSameNames = 1_000

/** Maximum of connections from the sandbox to the egress proxy, which has its own, lower limit. Each costs two descriptors. */
export const maxRelayConnections = 128

/** Maximum of archives that are packed or unpacked at once. */
export const maxTransfers = 8
/** Maximum of entries in an archive: a large source tree with its installed packages. */
export const maxUnpackEntries = 50_000
/** Maximum size of its files. A small archive could otherwise fill a sandbox that has no quota. */
export const maxUnpackBytes: number = 2048 * mib

/**
 * Maximum of watches, as many as the folders that memory indexes, and of folders in one. Each folder takes an inotify watch; a
 * user has 8 192 of them on small machines.
 */
export const maxWatches = 16
export const maxWatchedFolders = 2_000
/** Maximum of changed paths that one watch keeps until the next request; with more it reports an overflow. */
export const maxWatchedPaths = 5_000
/** Maximum of changes in one reply. */
export const maxWatchChanges = 2_000
/** Longest wait for a change. */
export const maxWatchWaitMs = 300_000
/** Debounce from the first change to the reply: a build or a checkout makes many. */
export const coalesceMs = 25
/** A watch without a request for this long is closed. */
export const watchIdleMs = 60_000

/** Maximum of files in one snapshot, each about 200 bytes while hands remember it. */
export const maxSnapshotFiles = 100_000
/** A file that changed within this time may change again without a new stamp: file systems count time in steps of up to 10 ms. */
export const freshMs = 20
/** Entries of a workspace that are compared before an approved command runs: looking at more takes seconds. */
export const maxFingerprintEntries = 500_000
/**
 * How long the content counts of a file that has changed. Linux writes mapped pages back within 35 s, and with the settings for laptops within
 * ten minutes; before that a program that holds one changes the file without a new time.
 */
export const recentMs = 900_000
/** What is read for one comparison: a second. */
export const maxFingerprintBytes: number = 1024 * mib
/** What is read of a folder that is moved or deleted. */
export const maxTargetBytes: number = 256 * mib
/** What is read before other requests run: some milliseconds. */
export const readAtOnceBytes: number = 8 * mib
/** Comparisons that hands remember, to name what has changed: questions that wait at once. */
export const keptFingerprints = 8
/** Paths that one comparison names. */
export const maxNamedChanges = 20
/** Bytes of the files in one reply of `collect`. */
export const maxCollectBytes: number = 8 * mib
/** Entries and pieces of an archive that are written until others are answered: each is a few short calls of the system. */
export const stagedAtOnce = 256
/** Files that are put into place until others are answered, when an archive is unpacked over expected ones: some milliseconds. */
export const mergedAtOnce = 32
