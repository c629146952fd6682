/** Limits of the repository of versions. */
/** Packs of the versions; with more, those under `maxJoinedPackBytes` are joined into one. */
export const maxPacks = 40
export const maxJoinedPackBytes: number = 16 * 1024 * 1024
/** Bytes of a checkpoint that are held before they are written as a pack. */
export const maxPendingPackBytes: number = 64 * 1024 * 1024
/** Commits that are searched for changes of a path. */
export const maxLogScan = 5_000
