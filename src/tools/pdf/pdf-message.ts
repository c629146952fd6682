/** What is said between a call and the worker that reads a PDF. */

export interface PdfJob {
  readonly bytes: Uint8Array
  readonly maxCharacters: number
  /** After this time no further page is begun, and what was read is the answer. */
  readonly enoughMs: number
}

export type PdfAnswer =
  | {
      readonly ok: true
      readonly title: string
      /** Text of each page, as far as it was kept. */
      readonly pages: readonly string[]
      readonly totalPages: number
      readonly cut: boolean
    }
  /** `locked`: it needs a password. */
  | { readonly ok: false; readonly problem: 'locked' | 'unreadable' | 'too_slow' | 'too_large' }
