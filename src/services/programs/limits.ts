/** Every limit of programs, with its reason. */

/** Levels of a manifest's tables and schemas. */
export const maxManifestNesting = 40
/** Calls, paths, hosts and secrets that one manifest lists: a person reads them. */
export const maxListedRights = 100
/** Fields of a call whose text a manifest limits, and characters of a pattern. */
export const maxPatternFields = 20
export const maxPatternCharacters = 500
export const maxProgramSchedules = 20
/** 366 days: a run that takes longer has been forgotten by whoever began it. */
export const maxProgramSeconds: number = 366 * 86_400
/** Programs that run programs. */
export const maxProgramDepth = 5
/** Calls of one run: a script that floods calls ends here, and a run that goes on reads no more from the journal than these. */
export const maxProgramCalls = 20_000
/** Time that a script computes by itself, from one start of it to the next; waiting does not count. */
export const scriptComputeMs = 60_000
export const scriptMemoryMb = 64
/** A script whose call waits this long is ended, and run again when the answer is there: no thread waits for days. */
export const parkMs = 5_000
/** Runs that have not ended, and ended ones that are kept. */
export const maxLivePrograms = 64
export const maxEndedPrograms = 200
/** Seconds that one look at a run waits for its end. */
export const maxProgramWaitS = 60
/** Bytes of an input or a result: what is larger is a file. */
export const maxProgramValueBytes: number = 256 * 1024
/** Tries of a judgement that has to match a schema. */
export const maxJudgementTries = 3
/** Steps of one case of a test. */
export const maxTestSteps = 1_000
/** Characters of a WASI module in base64: two megabytes. */
export const maxModuleChars = 2_800_000
/** Time that a WASI module takes, and files that are mounted for it. */
export const moduleMs = 60_000
export const maxMountedFiles = 500
/** Lines of the difference of two versions that a person is shown. */
export const maxDifferenceLines = 400
/** Programs that agents see as calls. */
export const maxToolPrograms = 50
/** How often the list of programs that agents see is read anew: people change files between turns. */
export const toolListMs = 5_000
/** Calls whose schemas one answer has: a script gets outputs up to 64 KiB. */
export const maxDescribedCalls = 20
/** Sessions of agents whose program is known, and manifests. */
export const maxHeldBounds = 500
