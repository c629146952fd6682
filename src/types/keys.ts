/** What `oxbow secret`, and `oxbow store encrypt|decrypt|rekey`, ask of a guest program that does nothing else, and its answers. */

export type KeyQuestion =
  | { readonly ask: 'set'; readonly name: string; readonly value: string }
  | { readonly ask: 'list' }
  | { readonly ask: 'remove'; readonly name: string }
  /** Seals every secret under a new data key. */
  | { readonly ask: 'rotate_data' }
  /** From the first of the master keys to the last: wraps the data keys anew, and encrypts the file anew when it is encrypted. */
  | { readonly ask: 'change_master' }
  | { readonly ask: 'encrypt' }
  | { readonly ask: 'decrypt' }

export interface KeyReport {
  /** Secrets by name, when they were asked for. */
  readonly secrets: readonly { readonly name: string; readonly updatedAt: number }[]
  /** Secrets or data keys that were changed. */
  readonly changed: number
  readonly encrypted: boolean
}
