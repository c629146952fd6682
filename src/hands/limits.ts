/** Limits inside the sandbox. They keep hands small and answering; what bounds the sandbox as a whole is set from outside. */

const kib = 1024
const mib = 1024 * kib

/** Most requests in work at once. The kernel asks for far fewer; each may hold a file or a command. */
export const maxRequests = 64
/** Most bytes of one request: a file to write, with room for JSON escapes. */
export const maxRequestBytes: number = 32 * mib
/** Most bytes of requests that have begun and not ended: the kernel sends large ones one after another, and small ones beside. */
export const maxPendingBytes: number = 40 * mib
/** Most bytes of one reply: two outputs of 4 MiB, of which each byte may become three. */
export const maxReplyBytes: number = 32 * mib
/** Longest message or hint of a failure; the kernel takes no longer one. */
export const maxFailureCharacters = 4_000
/** How often a device is asked whether the host holds its other end, at the start. */
export const hostPollMs = 20
/** How long the requests in work may take to stop at the end: a command has its grace, and is killed. */
export const endLimitMs = 1_500
/** Longest path; what Linux allows (PATH_MAX). */
export const maxPathBytes = 4096

/** Files are read in blocks of this size: few system calls, little memory. */
export const readBlockBytes: number = 256 * kib
/** Of a file that is copied, until it is put on disk: a slow one takes these in half a second. */
export const copySyncBytes: number = 32 * mib
/** Most bytes of one range that is read, or of one piece that is written. */
export const maxReadBytes: number = 8 * mib
/** Files that are being written in pieces at once; each holds a descriptor and a file that nobody sees. */
export const maxUploads = 32
/** What is done in pieces and not continued for this long is forgotten. */
export const transferIdleMs = 60_000
/** Longest name that a caller may give it. */
export const maxTransferName = 100
/** Largest file that can be edited, and that an edit makes: it is held in memory twice. */
export const maxEditBytes: number = 16 * mib
/** Digits of a content's hash: 48 bits tell any two contents of one file apart, and cost a model few tokens. */
export const hashDigits = 12
/** How often a change is worked out anew when another program has changed the file in between. */
export const maxReplaceTries = 5
/** Places that one edit replaces: what stands between them becomes a text each. */
export const maxEditPlaces = 1_000_000
/** Lines that are compared to find the nearest match of a failed edit; keeps a miss in a huge file quick. */
export const maxCompareLines = 20_000
/** Lines of blocks that are compared for it in all: some 0.1 s, in which nothing else runs. */
export const maxBlockCompares = 1_000_000
/** Lines and characters of a file that an error message shows. */
export const excerptLines = 8
export const excerptCharacters = 400

/** Files that one patch touches, and bytes that it holds of them, old and new together: all are in memory until it is done. */
export const maxPatchFiles = 500
export const maxPatchBytes: number = 32 * mib
/** Lines of one of them. */
export const maxPatchLines = 1_000_000
/** Lines that are compared to find hunks elsewhere than they say, for each file: well below a second. */
export const maxPatchCompares = 10_000_000

/** Most entries of one folder that are looked at; a folder with more is listed in part, which is said. */
export const maxFolderEntries = 20_000
/** Folders below folders; deeper ones are a loop of mounts or malice. */
export const maxDepth = 64

/** Entries of a survey that are looked at without letting anything else run: some milliseconds. */
export const surveyAtOnce = 1_000

/** A line that matches is shown in part when it is longer. */
export const maxMatchCharacters = 300
/** Longest time that one pattern may think about one block of lines (or one folder's names) without letting anything else run. */
export const patternTimeoutMs = 500
/** Longest pattern. */
export const maxPatternCharacters = 1000
/** Entries that are matched, and files that are read, at once. With a whole batch of small files about 3 MB are held. */
export const walkBatchEntries = 48
/** Files up to this size are read whole and searched together; larger ones by the block. */
export const smallFileBytes: number = 64 * kib
/** How much of an ignore file counts. Real ones have a few dozen lines; more is malice, and costs at every file. */
export const maxIgnoreBytes: number = 64 * kib
export const maxIgnoreRules = 2_000
/** Block in which files are searched; a line that is longer is searched in pieces. */
export const searchBlockBytes: number = 512 * kib

/** Time between SIGTERM and SIGKILL. Cancel must feel immediate, yet lets a program remove its temporary files. */
export const terminateGraceMs = 500
/** How often the process table is read while processes end. */
export const treePollMs = 10
/** When processes are still there after this long, hands end and take the whole sandbox with them. */
export const killLimitMs = 3_000
/** Output that still stands in the pipes of a command whose processes are all gone is read for this long. */
export const drainMs = 1_000
/** Processes and threads that commands may not take from hands: four that read files, one for each search, and the next shell. */
export const reservedProcesses = 16
/** Kept of a running command's output for those who watch it: a screenful. */
export const maxTailBytes = 4_096
/** Longest command text and standard input. Linux refuses a single argument over 128 KiB (MAX_ARG_STRLEN). */
export const maxCommandBytes: number = 120 * kib

/** Sessions that live at once, shells and jobs together: each is at least one process, and some buffers. */
export const maxSessions = 16
/** Sessions that have ended and are kept with their output until it is read, or this long. */
export const maxEndedSessions = 16
export const keepEndedMs = 600_000
/** Ids of sessions that are gone are kept with how they ended: who asks for one learns it. */
export const maxGoneSessions = 100
/** Kept of the output of one session, the newest part. With all of them full hands hold 32 MiB. */
export const maxSessionBytes: number = mib
/** Most bytes of one page; as JSON each may become six. */
export const maxSessionPageBytes: number = 256 * kib
/** Most bytes of one input, and of input that the program has not taken yet. */
export const maxSessionInputBytes: number = 64 * kib
export const maxWaitingInputBytes: number = 256 * kib
/** How soon a terminal that took no input is tried again. */
export const terminalRetryMs = 20
/** What follows a prompt's mark is the prompt itself, written at once; a moment more for a machine under load. */
export const promptSettleMs = 30
/** A shell whose terminal has a new size draws its prompt again, or never will. */
export const redrawMs = 300
/** A new shell waits for input after some 5 ms; one that does not is handed out as it is. */
export const shellStartMs = 3_000
/** Output of one session that is taken in a window of time: 10 MB/s cost hands a few per cent of a core, a flood all of it. */
export const floodWindowBytes: number = mib
export const floodWindowMs = 100
/** Shown of a job's command. */
export const shownCommandCharacters = 200
/** A terminal is no larger than any screen. */
export const maxTerminalCells = 1_000

/** Tabs of all conversations together: each is a process with some 50 to 100 MB. */
export const maxTabs = 20
/** Browsers at once, one for each agent that uses one: each is five processes before its first page. */
export const maxBrowsers = 3
/** A tab that nobody used for so long gives way when another conversation needs room. */
export const staleTabMs = 300_000
/** Windows that a page may open during one action; a person's click opens one. */
export const maxPopUps = 3
/** Dialogs that a page may show during one action: one that asks without end is closed. */
export const maxDialogs = 10
/** From the start of Chromium to its first page. Measured: 0.7 s idle; a machine under load may need many times that. */
export const browserStartMs = 30_000
/** How long the end of a browser is waited for; then hands go on without, and the end of the sandbox takes it. */
export const browserEndMs = 5_000
/** After a cancel, until it is answered whatever the page does; the kernel waits not much longer. */
export const browserCancelMs = 2_000
/** Until a page has answered and its own parts are there. */
export const navigationMs = 30_000
/** Until an element can be clicked, and the click is through: a page that moves, or covers it, gets this long. */
export const elementMs = 5_000
/** After an action: until what it set going (a navigation, requests of scripts) has come to rest. */
export const settleMs = 4_000
/** A page that shows nothing new for so long after an action shows nothing new. */
export const quietMs = 150
/** A page that is busy for longer than this when it is looked at is closed. */
export const lookMs = 6_000
/** Frames that have not come by then are left out of a first look. */
export const frameMs = 2_000
/** Elements of a page up to which a tree of it is made. Measured: 1.3 s for 20 000, 4 s for 40 000. */
export const maxTreeElements = 25_000
/** Text of one page that is kept to be read on; the rest is cut off. */
export const maxPageCharacters: number = 1024 * kib
/** What a page says in a note, in a title, in an address. */
export const maxNoteCharacters = 300
export const maxNotes = 20
export const maxTitleCharacters = 300
export const maxAddressCharacters = 8_000
/** Height of a picture of a whole page: some screens; what is below is scrolled to. */
export const maxPictureHeight = 8_000
/** Downloads of one conversation that are remembered, and that run at once in all. */
export const maxDownloads = 30
export const maxRunningDownloads = 4
export const maxDownloadBytes: number = 200 * mib
/** How often running downloads are measured. */
export const downloadPollMs = 250
/** Characters of a file name from a page, its ending included. */
export const maxDownloadName = 120
/** Files of one name that get a number behind it. */
export const maxSameNames = 1_000

/** Connections from the sandbox to the egress proxy at once; the proxy has its own, lower limit. Each costs two descriptors. */
export const maxRelayConnections = 128

/** Archives that are on their way at once, in or out. */
export const maxTransfers = 8
/** Entries of an archive that is unpacked: a large source tree with what it has installed. */
export const maxUnpackEntries = 50_000
/** All its files together. A sandbox without a quota of its own would be filled by a few bytes that unpack to much. */
export const maxUnpackBytes: number = 2048 * mib
/** Longest extended header of an entry: a path and a link of the longest, and times. */
export const maxExtendedHeaderBytes: number = 32 * kib

/** Watches at once, as many as folders that memory keeps, and folders of one: each takes an inotify watch, of which a user has 8 192 on small machines. */
export const maxWatches = 16
export const maxWatchedFolders = 2_000
/** Paths of one watch that are remembered until somebody asks; with more there is no telling them one by one. */
export const maxWatchedPaths = 5_000
/** Changes in one answer. */
export const maxWatchChanges = 2_000
/** Longest wait for a change. */
export const maxWatchWaitMs = 300_000
/** From the first change to the answer: a build or a checkout brings many. */
export const coalesceMs = 25
/** A watch that nobody asks for so long is ended. */
export const watchIdleMs = 60_000
