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
/** Longest path; what Linux allows (PATH_MAX). */
export const maxPathBytes = 4096

/** Files are read in blocks of this size: few system calls, little memory. */
export const readBlockBytes: number = 256 * kib
/** Most bytes of one range that is read, or of one piece that is written. */
export const maxReadBytes: number = 8 * mib
/** Files that are being written in pieces at once; each holds a descriptor and a file that nobody sees. */
export const maxUploads = 32
/** An upload that is not continued for this long is forgotten. */
export const uploadIdleMs = 60_000
/** Longest name that a caller may give an upload. */
export const maxUploadName = 100
/** Largest file that can be edited: it is held in memory twice. */
export const maxEditBytes: number = 16 * mib
/** Lines that are compared to find the nearest match of a failed edit; keeps a miss in a huge file quick. */
export const maxCompareLines = 20_000
/** Lines and characters of a file that an error message shows. */
export const excerptLines = 8
export const excerptCharacters = 400

/** Files that one patch touches, and bytes that it holds of them, old and new together: all are in memory until it is done. */
export const maxPatchFiles = 500
export const maxPatchBytes: number = 32 * mib
/** Lines that are compared to find hunks elsewhere than they say, for each file: well below a second. */
export const maxPatchCompares = 10_000_000

/** Most entries of one folder that are looked at; a folder with more is listed in part. */
export const maxFolderEntries = 20_000
/** Folders below folders; deeper ones are a loop of mounts or malice. */
export const maxDepth = 64

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
/** Longest command text and standard input. Linux refuses a single argument over 128 KiB (MAX_ARG_STRLEN). */
export const maxCommandBytes: number = 120 * kib
