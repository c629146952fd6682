/** Every limit of moves between spaces, with its reason. */

/** Memories of one call: as many as `memory.import` takes. */
export const maxSpaceLines = 1_000
/** Files and folders of one move that a person names. */
export const maxSpacePaths = 1_000
/** Texts are read into words again where they are placed: as long as an import may take. */
export const spaceTimeoutMs: number = 10 * 60_000
