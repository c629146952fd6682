/** Every limit of the module, with its reason. */

/** A secret shorter than this would replace parts of ordinary words. */
export const minSecretCharacters = 8
/** A spelling of a secret that is longer is not looked for: four times the largest file of the vault that holds one. */
export const maxSpellingCharacters: number = 16 * 1024
/** Unknown secrets that one pass replaces. */
export const maxUnknownInText = 500
/** Found secrets of a user, about 2 KB each in memory; what is found beyond is hidden, and cannot be used again. */
export const maxFoundSecrets = 2_000
/** Sessions whose secrets are remembered; an agent of an evicted one reads the file again. */
export const maxSecretSessions = 1_000
/** A larger file of the vault is a document, not a value. */
export const maxVaultValueBytes: number = 4 * 1024
/** Files of the vault that are read for values; some 20 µs each. */
export const maxVaultEntries = 200
export const maxVaultLevels = 4
/** Time between two looks at the vault: a listing of an empty one takes 20 µs. */
export const vaultCheckMs = 1_000
/** Time limit of a request for a file of the vault. */
export const vaultReadMs = 10_000
/** Searches of one text for unknown secrets; each replaces up to `maxUnknownInText`. */
export const maxPasses = 200
