/** Limits of the repository of versions. */
/** Packs of the versions; with more, those under `maxJoinedPackBytes` are joined into one. */
export const maxPacks = 40
export const maxJoinedPackBytes: number = 16 * 1024 * 1024
/** Bytes of a checkpoint that are held before they are written as a pack. */
export const maxPendingPackBytes: number = 64 * 1024 * 1024
/** Commits that are searched for changes of a path. */
export const maxLogScan = 5_000
/** Entries of folders that stay in memory: an undo of thousands of files looks the same folders up for each of them. Some 20 MB. */
export const maxCachedTreeEntries = 100_000
/** Bytes of contents that stay in memory: an undo reads each three or four times. */
export const maxCachedBlobBytes = 16 * 1024 * 1024
