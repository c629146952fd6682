/** The text of the pages that were read last, so that reading on gets the rest of the same page and asks nobody again. */
import type { KeptFile } from '../../types/index.ts'
import { maxKeptBytes, maxKeptPages } from '../limits.ts'

/** A page as text, with where it came from. */
export interface Page {
  readonly finalUrl: string
  readonly redirects: number
  readonly status: number
  readonly contentType: string
  /** Bytes that came, unpacked. */
  readonly bytes: number
  readonly title: string
  readonly text: Buffer
  /** Less than the server has: its body or its text was over a limit. */
  readonly cut: boolean
  /** Why there is no text; empty when there is. */
  readonly note: string
  /** Of an address that is a picture. */
  readonly picture: KeptFile | null
}

export interface PageStore {
  find(key: string): Page | undefined
  keep(key: string, page: Page): void
}

export function createPageStore(): PageStore {
  /** The oldest first. */
  const pages = new Map<string, Page>()
  return {
    find: (key) => pages.get(key),
    keep(key, page) {
      pages.delete(key)
      pages.set(key, page)
      let bytes = [...pages.values()].reduce((sum, { text }) => sum + text.length, 0)
      for (const [oldest, { text }] of pages) {
        if (pages.size <= maxKeptPages && bytes <= maxKeptBytes) return
        pages.delete(oldest)
        bytes -= text.length
      }
    },
  }
}
