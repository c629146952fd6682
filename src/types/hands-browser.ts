/**
 * What hands of profile `browser` do. Tabs belong to an owner (a conversation) and to a browser profile (an agent): nobody names or
 * sees the tab of another. Texts that hands give here come from pages and may say anything.
 */
export interface BrowserOps {
  /** Goes to an address in the owner's current tab, in `tab`, or in a new one. */
  browserOpen: {
    input: BrowserTab & { url: string; newTab: boolean; maxBytes: number }
    output: BrowserView
  }
  /** Does one thing in a tab as a person would, and waits until the page has taken it in. */
  browserAct: {
    input: BrowserTab & { action: BrowserAction; acceptDialogs: boolean; maxBytes: number }
    output: BrowserView
  }
  /** Looks and changes nothing. `fromByte` above 0 reads on in what the last look gave. */
  browserLook: {
    input: BrowserTab & { as: 'tree' | 'changes' | 'text'; ref: string; depth: number; fromByte: number; maxBytes: number }
    output: BrowserView
  }
  /** A picture of what is seen, of the whole page, or of one element, as a new file below /tmp. */
  browserPicture: {
    input: BrowserTab & { ref: string; fullPage: boolean }
    output: BrowserView & { path: string; bytes: number; width: number; height: number }
  }
  /** The owner's tabs, after one was closed or made the current one. */
  browserTabs: {
    input: BrowserTab & { action: 'list' | 'select' | 'close' }
    output: { tabs: { tab: string; current: boolean; url: string; title: string }[] }
  }
  /** The owner's downloads, the newest last; waits for running ones at most as long as said. */
  browserDownloads: {
    input: { profile: string; owner: string; waitMs: number }
    output: { downloads: BrowserDownload[] }
  }
}

export interface BrowserTab {
  /** Whose cookies and storage: lower-case letters, digits and hyphens. */
  profile: string
  /** Whose tabs. */
  owner: string
  /** '' is the current one. */
  tab: string
}

/** `ref` is what a tree calls an element: e5, or f1e2 in a frame. */
export type BrowserAction =
  | { kind: 'click'; ref: string; button: 'left' | 'right' | 'middle'; double: boolean }
  | { kind: 'type'; ref: string; text: string; append: boolean; submit: boolean }
  /** `ref` '' presses it where the focus is. */
  | { kind: 'press'; ref: string; key: string }
  | { kind: 'select'; ref: string; values: string[] }
  | { kind: 'hover'; ref: string }
  /** `ref` '' scrolls by a screen; else until the element is seen. */
  | { kind: 'scroll'; ref: string; direction: 'down' | 'up' }
  | { kind: 'back' | 'forward' | 'reload' }

export interface BrowserView {
  tab: string
  url: string
  title: string
  /** Of the answer to the last navigation of `browserOpen`; null where there was none. */
  status: number | null
  /** What `text` holds: the whole tree of elements, lines of it that are new (+) or gone (-), the text alone, or nothing. */
  shows: 'tree' | 'changes' | 'text' | 'nothing'
  text: string
  fromByte: number
  /** null at the end. */
  nextByte: number | null
  totalBytes: number
  /** What happened meanwhile: dialogs, windows that were opened, downloads, crashes. The oldest first. */
  notes: string[]
}

export interface BrowserDownload {
  /** '' until it is there. */
  path: string
  url: string
  bytes: number
  state: 'running' | 'done' | 'failed'
  /** Why it failed. */
  problem: string
}
