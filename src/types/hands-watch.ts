/** What hands say about folders that change. */
export interface WatchOps {
  /**
   * Asked again and again under one name (`watch`, which the caller makes up): the first time begins it, each answers what has
   * changed since the one before, each path once, as it is now. Waits up to `waitMs` for the first change. With `overflow` more
   * has changed than is told, or could be seen: whoever wants to know must look. A cancel ends the watch, and so does a minute
   * without a question. When the folder goes, or more changes than can be looked at, the next question fails, and the one after it
   * begins anew.
   */
  watch: {
    input: { path: string; watch: string; recursive: boolean; waitMs: number; maxChanges: number }
    output: { changes: WatchedChange[]; overflow: boolean }
  }
}

export interface WatchedChange {
  path: string
  kind: 'file' | 'folder' | 'link' | 'other' | 'missing'
}
