/** Every limit of versions and branches of files, with its reason. The thread of the versions loads it too. */

/** The thread of the versions ends after this long without a request, and its memory with it. */
export const versionsIdleMs = 60_000
/** Time limit of one request to hands for versions, and of one whole checkpoint. */
export const snapshotTimeoutMs = 60_000
export const checkpointTimeoutMs: number = 10 * 60_000
/** How long after a commit the stamps of all files are saved: 1 MB for 10 000 files, too much for each of many commits. */
export const saveStampsMs = 2_000
/** How long a guest that stops waits for the versions of the turns that have ended: 10 000 new files take a second. */
export const lastVersionsMs = 60_000
/** A file above this has no version, and no call changes it: it would fill the disk. */
export const maxLargeFileBytes: number = 4 * 1024 * 1024 * 1024
/** Files that another node lists of a branch: hands list half as many, and as many that have gone. */
export const maxFarEntries = 200_000
/** How often an undo starts over because files have changed while it was planned. */
export const maxUndoTries = 5
/** Names in a command that may remove a repository: each costs hands a look. */
export const maxRemovedNames = 40
/** Turns that are undone with the turn that started them, and calls of one of them that are looked at. */
export const maxTurnParts = 200
export const maxTurnRecords = 10_000
/** Records that are looked through for turns that have changed something else than files, the newest first, and how many at once. */
export const maxScannedRecords = 20_000
export const recordPage = 2_000
/** Kind of the documents of undos whose files are not all changed yet. */
export const pendingUndos = 'system/undos'
/** Turns that `version.turns` lists. */
export const maxListedTurns = 100
/** Files that hands are asked to remove at the same time: a third of the requests that may wait for them. */
export const removedAtOnce = 16
/** Bytes of files in one reply of hands. */
export const maxCollectedBytes: number = 4 * 1024 * 1024
/** Bytes of objects that come from the store of a cluster before they are written as a pack. */
export const maxFetchedBytes: number = 64 * 1024 * 1024
/** How often a takeover starts over because files of the node are changed meanwhile. */
export const maxTakeoverTries = 5
/** How long one step of a check of all versions keeps others waiting, and the problems that it names. */
export const verifyStepMs = 100
export const maxVersionProblems = 20
/** Commits of one log. */
export const maxLogged = 200
/** Files whose names are compared with one that no version has. */
export const maxNamesCompared = 20_000
/** Files of one comparison or preview that are listed. */
export const maxListedChanges = 1_000
/** How many of the newest versions are searched for a session's. */
export const maxSearchedVersions = 200
/** Bytes of a file that a diff compares by lines, and of the diff as a whole. */
export const maxDiffedBytes: number = 512 * 1024
export const maxDiffBytes: number = 256 * 1024
/** How long two texts of a merge are compared: texts that differ everywhere would take minutes. */
export const mergeDiffMs = 2_000
/** Bytes of a file that `version.show` prints. */
export const maxShownBytes: number = 256 * 1024

/** A call about a branch of files: a copy, or a merge of all of it. */
export const branchTimeoutMs = 300_000
/** How long the files of a merge may take to get into the workspace. */
export const branchMergeMs = 120_000
/** Branches of files that were merged or dropped and are still listed. */
export const maxEndedBranches = 100

/** File next to the repository that names the turns which may change files. If it exists at a start, the previous guest was killed. */
export const runningMark = 'oxbow-running.json'

/** Rights of calls that change saved documents, which versions keep along with files. */
export const documentRights: readonly string[] = ['state.write']
/** Hands on another node end after so long without a request: their place is for others, and a start takes a second. */
export const farIdleMs = 60_000
/** How often a request is made where nodes are lost one after another. */
export const farTries = 3
