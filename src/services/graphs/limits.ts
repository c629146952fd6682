/** Every limit of state graphs, with its reason. */

/** A definition is text that a person reads. */
export const maxGraphBytes: number = 256 * 1024
/** Levels of a definition's tables, conditions and schemas. */
export const maxGraphNesting = 40
export const maxGraphNodes = 100
export const maxGraphFields = 100
export const maxGraphEdges = 50
/** Calls before and after a node. */
export const maxGraphEntries = 10
/** Conditions within conditions, maps within maps, and graphs within graphs. */
export const maxGraphDepth = 20
/** Visits of all nodes in one run: a loop that nothing else ends. */
export const maxGraphVisits = 1_000
export const maxGraphRetries = 10
/** Branches that run at once. */
export const maxGraphParallel = 32
/** 31 days: a run that waits longer is forgotten by whoever started it. */
export const maxGraphSeconds: number = 31 * 86_400
/** Characters of a pattern, and of a text that it is matched with: both bound the time, which is their product. */
export const maxPatternCharacters = 200
export const maxMatchedCharacters = 4_096
/** Bytes of one value of the state, and of all: what is larger is a file. */
export const maxGraphValueBytes: number = 64 * 1024
export const maxGraphStateBytes: number = 512 * 1024
/** Runs that have not ended, and ended ones that are kept. */
export const maxLiveGraphRuns = 64
export const maxEndedGraphRuns = 100
/** Seconds that one look at a run waits for a change. */
export const maxGraphWaitS = 60
/** That an answer or the end of a run waits until the run goes on after a restart, or has asked what it is about to ask. */
export const maxTakeUpMs = 10_000
/** Of what a run has put out, in the message to the session that started it: `graph.show` has the whole. */
export const maxMailCharacters = 4_000
