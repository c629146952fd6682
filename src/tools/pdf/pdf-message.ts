/** Messages between a call and the worker that reads a PDF. */

export interface PdfJob {
  readonly bytes: Uint8Array
  readonly maxCharacters: number
  /** No further page is begun after this time; the pages read so far are the answer. */
  readonly enoughMs: number
}

export type PdfAnswer =
  | {
      readonly ok: true
      readonly title: string
      /** Text of each page, as far as it was read. */
      readonly pages: readonly string[]
      readonly totalPages: number
      readonly cut: boolean
    }
  /** `locked`: it needs a password. */
  | { readonly ok: false; readonly problem: 'locked' | 'unreadable' | 'too_slow' | 'too_large' }
